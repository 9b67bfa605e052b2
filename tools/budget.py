"""Holds the code that runs as root to the limits that SECURITY.md sets.

Counts the border (privsep/src), the root process (privsep/root) and the PAM helper (privsep/pam) as they are compiled:
comments, blank lines and tests apart. With --binary also looks at a finished program. Python's standard library, cargo and readelf.
"""

import argparse
import pathlib
import platform
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
ROOT = TOP / "privsep" / "root"
BORDER = TOP / "privsep" / "src"
PAM = TOP / "privsep" / "pam"

STRING = re.compile(
    r"""
    //[^\n]* |                                   # line comment
    (?P<block>/\*) |                             # block comment; they nest
    b?r(?P<hashes>\#*)".*?"(?P=hashes) |         # raw string
    [bc]?"(?:\\.|[^"\\])*" |                     # string
    b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^\\'\n])'   # character, not a lifetime
    """,
    re.VERBOSE | re.DOTALL,
)


def block_end(text, at):
    depth = 0
    for mark in re.finditer(r"/\*|\*/", text[at:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return at + mark.end()
    raise ValueError("a comment does not end")


def plain(text):
    """The text with comments blanked and the insides of strings made harmless; lines stay where they are."""
    out, at = [], 0
    while found := STRING.search(text, at):
        out.append(text[at : found.start()])
        end = block_end(text, found.start()) if found.group("block") else found.end()
        piece = text[found.start() : end]
        comment = piece.startswith("/")
        out.append(re.sub(r"[^\n]", " " if comment else "x", piece))
        at = end
    out.append(text[at:])
    return "".join(out)


def closing(text, opening):
    """Position after the brace that closes the one at `opening`."""
    depth = 0
    for mark in re.finditer(r"[{}]", text[opening:]):
        depth += 1 if mark.group() == "{" else -1
        if depth == 0:
            return opening + mark.end()
    raise ValueError("a brace is not closed")


def without_tests(text):
    """Blanks items under #[cfg(test)]; gives the rest and the names of modules that are tests in files of their own."""
    modules = []
    while found := re.search(r"#\[cfg\(test\)\]", text):
        brace, semicolon = text.find("{", found.end()), text.find(";", found.end())
        if brace < 0 or 0 <= semicolon < brace:
            end = semicolon + 1
            modules += re.findall(r"\bmod\s+(\w+)\s*;", text[found.end() : end])
        else:
            end = closing(text, brace)
        text = text[: found.start()] + re.sub(r"[^\n]", " ", text[found.start() : end]) + text[end:]
    return text, modules


def sources(folder):
    """(path, plain text without tests) of every compiled file below a folder."""
    files, tests = {}, set()
    for path in sorted(folder.rglob("*.rs")):
        text, modules = without_tests(plain(path.read_text()))
        files[path] = text
        home = path.parent if path.stem in ("main", "lib", "mod") else path.with_suffix("")
        for name in modules:
            tests |= {home / f"{name}.rs", home / name / "mod.rs"}
    return {path: text for path, text in files.items() if path not in tests}


def functions(files):
    """(lines, place) of every function."""
    for path, text in files.items():
        for found in re.finditer(r"\bfn\s+(\w+)", text):
            brace, semicolon = text.find("{", found.end()), text.find(";", found.end())
            if brace < 0 or 0 <= semicolon < brace and "[" not in text[found.end() : brace]:
                continue  # a declaration
            lines = text.count("\n", found.start(), closing(text, brace)) + 1
            yield lines, f"{path.relative_to(TOP)}: {found.group(1)}"


def crates(package):
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--no-dedupe"],
        cwd=TOP, check=True, capture_output=True, text=True,
    )
    return {tuple(line.split()[:2]) for line in tree.stdout.splitlines() if line}


def requests():
    text = plain((BORDER / "request.rs").read_text())
    start = text.index("{", text.index("pub enum Request"))
    body = text[start + 1 : closing(text, start) - 1]
    while (inner := re.search(r"\{[^{}]*\}|\([^()]*\)", body)) is not None:
        body = body[: inner.start()] + body[inner.end() :]
    return re.findall(r"\b[A-Za-z]\w*", body)


def binary(path):
    """Bytes of executable sections, and the shared objects that are asked for."""
    def read(flag):
        return subprocess.run(["readelf", flag, path], check=True, capture_output=True, text=True).stdout
    size = sum(
        int(found.group(1), 16)
        for found in re.finditer(r"\] \S+\s+PROGBITS\s+\S+\s+\S+\s+(\S+)\s+\S+\s+AX\b", read("-SW"))
    )
    return size, re.findall(r"\(NEEDED\).*\[(.*)\]", read("-dW"))


def static_is_possible():
    """Whether tools/build.sh made a static program here."""
    target = f"{platform.machine()}-unknown-linux-musl"
    found = subprocess.run(["rustc", "--print", "target-libdir", "--target", target], capture_output=True, text=True)
    return found.returncode == 0 and pathlib.Path(found.stdout.strip()).is_dir()


def limits():
    rows = re.findall(r"^\|\s*`([a-z-]+)`\s*\|\s*([\d,]+)\s*\|", (TOP / "SECURITY.md").read_text(), re.MULTILINE)
    return {name: int(number.replace(",", "")) for name, number in rows}


def lines(files):
    return sum(1 for text in files.values() for line in text.splitlines() if line.strip())


def unsafe(files):
    """How often each file that has any says so."""
    uses = {path: len(re.findall(r"\bunsafe\b(?!_)", text)) for path, text in files.items()}
    return {path: count for path, count in uses.items() if count}


def named(tree):
    return len(tree), ", ".join(sorted(name for name, _ in tree))


def measured(program):
    root, border = sources(ROOT), sources(BORDER)
    both = {**root, **border}
    own, blocks = lines(both), unsafe(both)
    longest, where = max(functions({**both, **sources(PAM)}))
    yield "own-lines", own, "privsep/root and privsep/src"
    yield "crates", *named(crates("supervisord"))
    yield "unsafe", sum(blocks.values()), ", ".join(str(p.relative_to(TOP)) for p in blocks) or "none"
    yield "unsafe-files", len(blocks), ""
    pam = sources(PAM)
    yield "pam-lines", lines(pam), "privsep/pam"
    yield "pam-crates", *named(crates("supervisor-pam"))
    yield "pam-unsafe", sum(unsafe(pam).values()), ", ".join(str(p.relative_to(TOP)) for p in unsafe(pam))
    yield "pam-unsafe-files", len(unsafe(pam)), ""
    yield "longest-function", longest, where
    asks = requests()
    yield "requests", len(asks), ", ".join(asks)
    if program and not static_is_possible():
        print("the musl target is not installed: the program itself is not measured")
    elif program:
        size, needed = binary(program)
        yield "executable-kib", -(-size // 1024), program
        yield "shared-objects", len(needed), ", ".join(needed) or "static"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", help="the spawner as it is shipped")
    program = parser.parse_args().binary
    allowed, over = limits(), False
    for name, value, what in measured(program):
        if name not in allowed:
            sys.exit(f"SECURITY.md has no limit for {name}")
        verdict = "ok" if value <= allowed[name] else "OVER"
        over |= value > allowed[name]
        print(f"{name:17} {value:6} of {allowed[name]:6}  {verdict:5} {what}")
    if over:
        sys.exit("the code that runs as root has outgrown SECURITY.md")


if __name__ == "__main__":
    main()
