"""The simulated hospital, on both ends: it must be a fair test of others, so it is tested itself."""

import pytest

from clinical.hl7v2 import parse_ack
from engine import sdk
from simulators.hospital import Habit, HospitalReceiver, HospitalSender, HungUp, Say
from tests.integration.mllp.parties import Door, oru


async def test_it_sends_messages_one_after_the_other_and_keeps_the_answers(door: Door) -> None:
    async with HospitalSender("127.0.0.1", door.listener.port) as hospital:
        sent = await hospital.send_all(oru(f"M{number}") for number in range(5))
    assert [(one.control_id, one.reply.code, one.attempts) for one in sent] == [
        (f"M{number}", "AA", 1) for number in range(5)
    ]
    assert len(hospital.replies) == 5


async def test_it_sends_again_what_was_not_taken_as_the_same_bytes() -> None:
    verdicts: list[sdk.Verdict] = [sdk.Deferred(1.0, "later"), sdk.Deferred(1.0, "later"), sdk.Accepted("x")]
    async with (
        Door(lambda number: verdicts[number]) as door,
        HospitalSender("127.0.0.1", door.listener.port, attempts=5) as hospital,
    ):
        assert (await hospital.send(oru("M1"))).attempts == 3
        assert {taken.arrival.body for taken in door.taken} == {oru("M1")}


async def test_it_gives_up_after_its_attempts_with_the_last_answer(door: Door) -> None:
    async with HospitalSender("127.0.0.1", door.listener.port, attempts=2) as hospital:
        sent = await hospital.send(oru("A1", "ADT^A01"))
    assert (sent.reply.code, sent.attempts) == ("AR", 2)


async def test_it_connects_again_when_it_was_hung_up_on() -> None:
    async with (
        HospitalReceiver([Habit.HANG_UP, Habit.HALF_AN_ANSWER]) as other,
        HospitalSender("127.0.0.1", other.port, attempts=3) as hospital,
    ):
        assert (await hospital.send(oru("M1"))).attempts == 3
        assert (len(other.received), other.distinct, other.connections) == (3, 1, 3)


async def test_it_says_so_when_nobody_answers() -> None:
    async with (
        HospitalReceiver([Habit.HANG_UP]) as other,
        HospitalSender("127.0.0.1", other.port) as hospital,
    ):
        with pytest.raises(HungUp):
            await hospital.send(oru())


async def test_it_receives_by_script_and_answers_aa_afterwards() -> None:
    script: list[Say | Habit] = [
        Say("AE", "unknown patient", "204"),
        Say("AR"),
        Habit.RUBBISH,
        Habit.WRONG_ID,
        Habit.IN_PIECES,
    ]
    async with HospitalReceiver(script) as other, HospitalSender("127.0.0.1", other.port) as hospital:
        refused = (await hospital.send(oru("M1"))).reply
        assert (refused.code, refused.text, refused.error_codes) == ("AE", "unknown patient", ("204",))
        assert (await hospital.send(oru("M2"))).reply.code == "AR"
        assert b"MSA" not in await hospital.exchange(oru("M3"))
        assert parse_ack(await hospital.exchange(oru("M4"))).control_id == "SOMEBODY-ELSE"
        for number in (5, 6):
            assert (await hospital.send(oru(f"M{number}"))).reply.code == "AA"
        assert other.control_ids == [f"M{number}" for number in range(1, 7)]
        assert other.distinct == 6
