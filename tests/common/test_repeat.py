"""What a process does again and again."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.repeat import Repeat


async def test_work_that_fails_is_done_again(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    often = asyncio.Event()

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("once")
        if len(done) == 3:
            often.set()

    repeat = Repeat(0.001, work)
    running = asyncio.create_task(repeat.run())
    await often.wait()
    await repeat.stop()
    await running
    assert "RuntimeError" in caplog.text


async def test_the_work_in_hand_is_ended_and_no_pause_is_waited_out() -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    repeat = Repeat(3600, work)
    running = asyncio.create_task(repeat.run())
    await begun.wait()
    await repeat.stop()
    assert not running.done()
    go_on.set()
    await running
    assert ended.is_set()
