import pathlib
from engine.testing.harness import *
from engine.testing.parts import *
async def test_x(tmp_path):
    src, dst = HandSource(), ScriptedDestination()
    async with an_engine([a_channel(source_part=src, destinations=[a_destination(dst)])], tmp_path/"j.db") as e:
        print(await src.give(b"x"))
        await e.until(e.idle)
        print(await e.states(), await e.delivery_states(), await e.books())
        await e.wish("stopped"); await e.wish("running")
        await src.give(b"y")
        await e.until(e.idle)
    assert 0
