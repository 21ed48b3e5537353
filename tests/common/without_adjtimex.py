#!/usr/bin/env python3
"""Runs a program that the kernel refuses adjtimex, as the sandbox of the unit does.

usage: without_adjtimex.py PROGRAM [ARGUMENT]...
"""
import ctypes
import os
import platform
import struct
import sys

# adjtimex and clock_adjtime; on 32-bit ARM clock_adjtime64 too.
CALLS = {"x86_64": (159, 305), "aarch64": (171, 266), "armv7l": (124, 372, 405)}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def main():
    calls = CALLS[platform.machine()]
    code = [(LOAD, 0, 0, 0)]  # the number of the call
    code += [(JUMP_IF_EQUAL, len(calls) - n, 0, call) for n, call in enumerate(calls)]
    code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, EPERM)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = Program(len(code), ctypes.addressof(text))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                                                       ctypes.byref(program), 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[1], sys.argv[1:])


main()
