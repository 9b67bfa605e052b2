#!/bin/bash
# Says on standard error which programs ended that should not have.

# `len` is a number of characters: bash counts them in this locale.
LC_ALL=C.UTF-8

# The value of a key in `a:1 b:2`.
field() {
    local word
    for word in $2; do
        [[ $word == "$1":* ]] && echo "${word#*:}"
    done
}

while printf 'READY\n' && IFS= read -r header; do
    length=$(field len "$header")
    payload=
    # No -N where nothing is to be read.
    [[ $length == 0 ]] || IFS= read -r -N "$length" payload
    name=$(field groupname "$payload"):$(field processname "$payload")
    kind=$(field eventname "$header")
    if [[ $kind == PROCESS_STATE_EXITED && $(field expected "$payload") == 1 ]]; then
        :
    else
        # Standard output belongs to the protocol.
        echo "$name ended, $kind" >&2
    fi
    printf 'RESULT 2\nOK'
done
