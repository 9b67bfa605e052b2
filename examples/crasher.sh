#!/bin/sh
# Works for a while, then dies of a segmentation fault.
echo "started as process $$"
sleep 4
echo "about to crash"
kill -SEGV $$
