"""Tells playheadd what a player plays, from asyncio or a GLib main loop, without ever waiting for it.

    agent = playhead.Agent(app="tv.example.player")
    start = (await agent.resume_point("film-1")).start
    session = agent.open(start, playhead.Media("film-1", name="A Film", length=5400))
    session.play(start)
    ...
    session.end(position)
    await agent.close()
"""
from ._loops import Answer, AsyncioLoop, GLibLoop, Loop
from .agent import Agent
from .media import Failure, Identity, Media, ResumePoint
from .session import Session

__version__ = "1.0.0"
__all__ = ["Agent", "Answer", "AsyncioLoop", "Failure", "GLibLoop", "Identity", "Loop", "Media",
           "ResumePoint", "Session"]
