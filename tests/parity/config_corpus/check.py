"""Reads the corpus with both programs and compares: refused or not, every field, every environment, every order."""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))

from cases import cases  # noqa: E402
from daemon import UnixTransport  # noqa: E402
from generate import generate  # noqa: E402
from on_purpose import Declared  # noqa: E402

GENERATED = 400
# How many of the written configurations a daemon of ours is asked about.
LIVE = 60
SEED = 20240229
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "CORPUS": "word",
    "PERCENT": "50%",
    "EMPTY": "",
    "NUMBER": "7",
    "USERNAME": "nobody",
    "LETTER": "a",
    "EVENT": "tick_5",
    "SPACED": "a b",
    "SLASHED": "a/b",
    "COLON": "a:b",
    "FORMAT": "%(here)s",
    "FACTORY": "make_main_rpcinterface",
}
KINDS = {"group": "programs", "fcgi-program": "fcgi", "eventlistener": "eventlistener"}
LATIN_DIGITS = re.compile(r"\s*[-+]?[0-9][0-9_]*\s*")


def write(case, root):
    """Puts a case where both can read it; what reference.py is told about it."""
    directory = os.path.join(root, case.name)
    for path, text in case.files.items():
        path = os.path.join(directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
    args = ["-c", os.path.join(directory, case.main), *case.args]
    return {"name": case.name, "dir": directory, "args": args}


def theirs(venv, jobs):
    done = subprocess.run(
        [venv + "/bin/python", os.path.join(HERE, "reference.py")],
        input=json.dumps(jobs).encode(),
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        check=True,
        timeout=200,
    )
    return json.loads(done.stdout)


def ours(supervisord, job):
    """What we make of it: the exit status, what is printed as JSON, and the errors."""
    try:
        done = subprocess.run(
            [*supervisord, "--check", "--show", "--json", *job["args"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=job["dir"],
            env=ENVIRONMENT,
            timeout=60,
        )
    except subprocess.TimeoutExpired as error:
        return {"status": "hangs", "errors": [], "said": str(error), "read": None}
    said = done.stderr.decode(errors="replace")
    return {
        "status": done.returncode,
        "errors": re.findall(r"^Error: (.*?)$(?=\n  |\nError: |\nFor help)", said, re.DOTALL | re.MULTILINE),
        "said": said,
        "read": json.loads(done.stdout) if done.returncode == 0 else None,
    }


def refusals(case, reference, own):
    """How refusing it differs; nothing when both refuse alike, None when neither does."""
    error = reference.get("error", reference.get("crash"))
    if own["status"] not in (0, 2):
        return [("status", error, own["said"])]
    if error is None and own["status"] == 0:
        return None
    if error is None:
        return [("refused", "", own["errors"][0] if own["errors"] else own["said"])]
    if own["status"] == 0:
        return [("accepted", error, "")]
    # We report all there is; what is written by hand has one error, or is about their order.
    wanted = own["errors"] if case.startswith("generated-") else own["errors"][:1]
    if "error" in reference and error not in wanted:
        return [("text", error, own["errors"][0] if own["errors"] else own["said"])]
    return []


def settings(read, name):
    return {v["key"]: v.get("value") for v in read["values"] if v["section"] == name and "process_num" not in v}


def number(text):
    """An integer, octal number or size as both daemons read it; anything else as it is."""
    size = re.fullmatch(r"(\s*[-+]?[0-9_]+)\s*(kb|mb|gb)", str(text).lower())
    if size:
        return int(size[1]) * 1024 ** (1 + ["kb", "mb", "gb"].index(size[2]))
    return int(text) if LATIN_DIGITS.fullmatch(str(text)) else text


def daemon_level(reference, read):
    """Differences in `[supervisord]`, command line applied."""
    found = settings(read, "supervisord")
    for key in ("minfds", "minprocs", "logfile_maxbytes", "logfile_backups"):
        yield key, reference[key], number(found[key])
    yield "identifier", reference["identifier"], found["identifier"]
    yield "loglevel", reference["loglevel"], str(found["loglevel"]).lower()
    for key in ("nodaemon", "silent", "nocleanup", "strip_ansi"):
        yield key, bool(reference[key]), str(found[key]).lower() in ("true", "yes", "on", "1")


def environment(all_of_it):
    """What a process gets beyond what it inherits."""
    return {
        name: value
        for name, value in all_of_it.items()
        if ENVIRONMENT.get(name) != value and name != "LC_CTYPE"
    }


def in_order(info):
    return (info["name"], info["group"])


def pairs(reference, read):
    """All that is compared, as (field, reference's, ours)."""
    yield from daemon_level(reference["daemon"], read)
    for what in ("name", "priority", "processes"):
        yield "groups", [g[what] for g in reference["groups"]], [g[what] for g in read["groups"]]
    for group, own in zip(reference["groups"], read["groups"]):
        yield "kind", group["kind"], KINDS[own["kind"]]
        for key in ("buffer_size", "events", "socket"):
            yield key, group.get(key), own.get(key)
    yield "names", [p["name"] for p in reference["processes"]], [
        "{group}:{name}".format(**p) for p in read["processes"]
    ]
    for info, own in zip(sorted(reference["config"], key=in_order), sorted(read["processes"], key=in_order)):
        for key, value in info.items():
            yield key, value, own[key]
    for process, own in zip(reference["processes"], read["processes"]):
        yield "autorestart", process["autorestart"], own["autorestart"]
        umask = process["umask"]
        # The system looks at these bits alone.
        yield "umask", "none" if umask is None else umask & 0o777, own["umask"]
        yield "environment", environment(process["environment"]), environment(own["environment"])
        if isinstance(process["argv"], list):
            yield "argv", process["argv"], own["argv"]
    missing = [text for text in reference["warnings"] if text not in read["warnings"]]
    yield "warnings", [], missing


def compare(case, reference, own):
    """All differences of one case."""
    refused = refusals(case, reference, own)
    if refused is not None:
        return refused
    return [(field, a, b) for field, a, b in pairs(reference, own["read"]) if a != b or type(a) is not type(b)]


# What lets a daemon of a case be asked, and starts nothing that the case does not.
ASKABLE = """
[DEFAULT]
autostart=false
[supervisord]
logfile={dir}/l.log
pidfile={dir}/l.pid
childlogdir={dir}
[unix_http_server]
file={dir}/l.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def askable(case, reference):
    """Whether a daemon can be started on a case without more ado."""
    return (
        reference.get("config")
        and not reference["servers"]
        and list(case.files) == ["supervisord.conf"]
        and not case.args
        and "/tmp/" not in str(case.files)
        and "generated" not in case.name
        and all(info["stdout_logfile_maxbytes"] < 2**31 for info in reference["config"])
        # XML carries no control characters.
        and str(reference["config"]).isprintable()
        and not re.search(r"\\x[01]", str(reference["config"]))
    )


def as_running(infos, directory):
    """What a daemon answers of groups that it has: names of automatic logs are made, here without what is random."""
    made = []
    for info in infos:
        info = {**info, "inuse": True}
        for channel in ("stdout", "stderr"):
            key = channel + "_logfile"
            head = "{}/{}-{}---supervisor-".format(directory, info["name"], channel)
            if str(info[key]).startswith(head) or info[key] == "auto":
                info[key] = head
        made.append(info)
    return made


def answer(supervisord, job):
    """getAllConfigInfo of a daemon, or why there is none."""
    directory = job["dir"]
    process = subprocess.Popen(
        [*supervisord, "-n", *job["args"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=directory,
        env=ENVIRONMENT,
    )
    proxy = xmlrpc.client.ServerProxy(
        "http://localhost", transport=UnixTransport(os.path.join(directory, "l.sock"), None)
    ).supervisor
    deadline = time.monotonic() + 20
    try:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return proxy.getAllConfigInfo()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            except xmlrpc.client.Error as error:
                return str(error)
        return "no answer: " + str(process.poll())
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)


def live(venv, supervisord, alike, references, root):
    """Asks our daemon itself about some of the cases that are read alike: how many passed, how many failed."""
    some = [case for case in alike if askable(case, references[case.name])]
    some = some[:: max(1, len(some) // LIVE)][:LIVE]
    jobs = []
    for case in some:
        text = case.files["supervisord.conf"]
        name = "live-" + case.name
        asked = text + ASKABLE.format(dir=os.path.join(root, name))
        jobs.append(write(case._replace(name=name, files={"supervisord.conf": asked}), root))
    expected = theirs(venv, jobs)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda job: answer(supervisord, job), jobs))
    failed = 0
    for job, found in zip(jobs, answers):
        wanted = as_running(expected[job["name"]].get("config", []), job["dir"])
        found = as_running(found, job["dir"]) if isinstance(found, list) else found
        if found != wanted:
            failed += 1
            print("FAIL corpus/{}\n      - {}\n      + {}".format(job["name"], str(wanted)[:2000], str(found)[:2000]))
    print("corpus: {} daemons asked, {} failed".format(len(jobs), failed))
    return len(jobs) - failed, failed


def run(venv, supervisord, only="", count=GENERATED, seed=SEED):
    """Compares the whole corpus, or what `only` names: how many passed, how many failed."""
    chosen = [case for case in [*cases(), *generate(count, seed)] if only in case.name]
    declared = Declared()
    counts = collections.Counter()
    root = os.path.realpath(tempfile.mkdtemp(prefix="corpus-"))
    # Who reads them for our daemon has no privilege to look into the directory otherwise.
    os.chmod(root, 0o755)
    try:
        jobs = [write(case, root) for case in chosen]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            reading = pool.submit(theirs, venv, jobs)
            read = list(pool.map(lambda job: ours(supervisord, job), jobs))
            references = reading.result()
        alike = []
        for case, own in zip(chosen, read):
            name = case.name
            differences = compare(name, references[name], own)
            unknown = [d for d in differences if not declared.explains(name, d)]
            counts["failed" if unknown else "on purpose" if differences else "alike"] += 1
            if not differences:
                alike.append(case)
            if unknown:
                print("FAIL corpus/" + name)
            for difference in unknown[:5]:
                print("    {}\n      - {}\n      + {}".format(*(str(part)[:600] for part in difference)))
        asked, silent = live(venv, supervisord, alike, references, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if not only:
        for text in declared.idle([case.name for case in chosen]):
            print("FAIL corpus/" + text)
            counts["failed"] += 1
    print("corpus: {alike} alike, {on purpose} different on purpose, {failed} failed".format_map(
        collections.defaultdict(int, counts)
    ))
    return counts["alike"] + counts["on purpose"] + asked, counts["failed"] + silent
