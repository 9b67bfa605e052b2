#!/bin/sh
# Writes numbered lines, a hundred at a time.
n=0
while :; do
    n=$((n + 1))
    echo "line $n"
    [ $((n % 100)) -ne 0 ] || sleep 0.01
done
