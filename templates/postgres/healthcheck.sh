#!/bin/bash
# Succeed when the server would let a client log in: ask as a client does and look at the first byte of its answer.
# (The published 9.6 binaries come without pg_isready.)
set -u
exec 3<>/dev/tcp/127.0.0.1/5432 || exit 1
# Length 23, protocol 3.0, user=postgres. "R" asks for authentication; "E" is an error such as "starting up".
printf '\0\0\0\x17\0\3\0\0user\0postgres\0\0' >&3
IFS= read -r -N 1 -t 3 reply <&3
# Closing with answers unread would reset the connection, and the server would log that each time. Read by the shell
# itself: a program left behind would become a child of the server, which takes the end of a child it does not know
# for the crash of one of its own, and restarts.
IFS= read -r -N 65536 -t 0.2 _ <&3
[ "${reply:-}" = R ]
