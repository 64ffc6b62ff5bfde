"""Channel tests: `NAME.test.yaml` beside `NAME.yaml`, run through the real data path with a hand-fed source, scripted
destinations and a clock that stands still. See docs/channels.md."""
