#!/usr/bin/env python3
"""A small player: it plays a film and says so, whatever becomes of the agent meanwhile.

On the client in clients/python (the link beside this file leads to it).
usage: player.py [MEDIA_ID [SECONDS]]
"""
import asyncio
import signal
import sys
import time

import playhead


async def play(media_id="film-1", seconds=3.0):
    agent = playhead.Agent(app="tv.example.player", on_error=lambda error: print(error, flush=True))
    point = await agent.resume_point(media_id)
    if point.error:
        print(f"from the beginning: {point.error}", flush=True)
    start, began = point.start, time.monotonic()  # the content plays from here on
    film = agent.open(start, playhead.Media(media_id, name="A Film", length=600))
    film.play(start)

    left = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, left.set)  # the viewer leaves
    try:
        await asyncio.wait_for(left.wait(), float(seconds))
    except asyncio.TimeoutError:
        pass

    end = start + time.monotonic() - began
    film.end(end)
    if await agent.close():
        print("nobody was there to hear all of it")
    print(f"played {media_id} from {start:.1f} to {end:.1f}")


asyncio.run(play(*sys.argv[1:]))
