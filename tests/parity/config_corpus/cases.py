"""Configurations written by hand: each rule of the dialect, each value type, each key, each way to be wrong."""

import collections

# `files` is by path below the case's own directory; `main` is the one that is given by -c, `args` come after it.
Case = collections.namedtuple("Case", "name files main args", defaults=["supervisord.conf", ()])

ALL = []


def add(name, text, main="supervisord.conf", args=(), **files):
    """A case. Further files are given by keyword: `conf_d__a_conf` is conf.d/a.conf."""
    named = {key.replace("__", "/").replace("_", "."): value for key, value in files.items()}
    ALL.append(Case(name, {main: text, **named}, main, tuple(args)))


def daemon(name, *lines, rest=""):
    """Lines of `[supervisord]`, and a program that shows what they do to it."""
    add(name, "[supervisord]\n{}\n[program:a]\ncommand=/bin/cat\n{}".format("\n".join(lines), rest))


def program(name, *lines, of="a", rest="", args=()):
    """Lines of a `[program:a]`; it has a command unless one of them sets it."""
    if not any(line.lower().startswith("command") for line in lines):
        lines = ("command=/bin/cat", *lines)
    add(name, "[supervisord]\n[program:{}]\n{}\n{}".format(of, "\n".join(lines), rest), args=args)


def each(prefix, key, values, of=program):
    """One case a value."""
    for number, value in enumerate(values):
        of("{}-{}".format(prefix, number), "{}={}".format(key, value))


def dialect():
    commands = {
        "semicolon-inside": "/bin/a;b",
        "semicolon-after-space": "/bin/a ;b",
        "hash-inside": "/bin/a#b",
        "hash-after-space": "/bin/a #b",
        "hash-after-tab": "/bin/a\t#b",
        "comment-in-quotes": "/bin/bash -c 'foo ; bar'",
        "semicolons-in-quotes": "/bin/sh -c 'a;b;c'",
        "lockstep": "/bin/echo a;b ; c # d",
        "lockstep-hash": "/bin/echo a#b # c ; d",
        "lockstep-second": "/bin/echo x#1 #2",
        "lockstep-third": "/bin/echo a;b;c ;d",
        "semicolon-first": ";x",
        "hash-first": "#x",
        "semicolon-after-equals-space": " ;x",
        "no-break-space": "/bin/echo a\u00a0;b",
        "equals": "/bin/echo a=b",
        "colon": "/bin/echo a:b",
        "quotes": '/bin/echo "a b" \'c d\'',
        "empty": "",
        "trailing-space": "/bin/echo a   ",
        "tabs": "\t/bin/echo\ta\t",
        "not-ascii": "/bin/echo gr\u00fcn \u20ac \U0001f600",
        "vertical-tab": "/bin/echo a\x0bb",
        "form-feed": "/bin/echo a\x0cb",
        "information-separators": "/bin/echo a\x1cb\x1dc\x1ed\x85e",
        "line-separator": "/bin/echo a\u2028b",
        "backslash": "/bin/echo a\\ b\\",
    }
    for name, command in commands.items():
        program("dialect-command-" + name, "command=" + command)
    lines = {
        "colon-delimiter": ["command: /bin/cat"],
        "spaces-around": ["command  =  /bin/cat", "startsecs :  5"],
        "upper-key": ["COMMAND=/bin/cat", "StartSecs=7"],
        "colon-before-equals": ["command:a=/bin/cat"],
        "equals-before-colon": ["command=a:/bin/cat"],
        "key-with-spaces": ["command=/bin/cat", "start secs=5"],
        "indented-key": ["command=/bin/cat", "  startsecs=5"],
        "indented-first-key": ["  command=/bin/cat", "startsecs=5"],
        "indented-both": ["  command=/bin/cat", "  startsecs=5"],
        "indented-less": ["    command=/bin/cat", "  startsecs=5"],
        "tab-continuation": ["command=/bin/echo", "\ta", "\tb"],
        "continuation-blank": ["command=/bin/echo", "  a", "", "  b"],
        "continuation-spaces-blank": ["command=/bin/echo", "  a", "      ", "  b"],
        "continuation-comment": ["command=/bin/echo", "  a", "  # no", "; no", "  b"],
        "continuation-inline-comment": ["command=/bin/echo a ; no", "  b # no", "  c"],
        "continuation-of-empty": ["command=", "  /bin/echo a"],
        "continuation-trailing-blank": ["command=/bin/echo a", "", ""],
        "continuation-comment-then-blank": ["command=/bin/echo a", "# x", "", "  b"],
        "continuation-header-like": ["command=/bin/echo a", "  [program:b]"],
        "continuation-deep-then-less": ["command=/bin/echo a", "     b", "   c", " d"],
        "continuation-environment": ["environment=A=1,", "  B=2,", "  C=3"],
        "comment-semicolon": ["; comment", "command=/bin/cat"],
        "comment-hash": ["# comment", "command=/bin/cat"],
        "comment-indented": ["   # comment", "command=/bin/cat"],
        "key-twice": ["command=/bin/echo a", "command=/bin/echo b"],
        "key-twice-case": ["command=/bin/echo a", "COMMAND=/bin/echo b"],
        "key-empty-twice": ["startsecs=5", "startsecs="],
        "no-delimiter": ["command=/bin/cat", "autostart"],
        "no-delimiter-two": ["command=/bin/cat", "autostart", "autorestart"],
        "no-key": ["command=/bin/cat", "=5"],
        "no-key-colon": ["command=/bin/cat", ": 5"],
        "rem": ["rem a comment", "command=/bin/cat"],
        "rem-equals": ["rem a=b", "command=/bin/cat"],
        "quoted-truth": ['autostart="false"'],
        "unknown-key": ["nonsense=5"],
        "unknown-key-percent": ["nonsense=100%"],
        "unknown-key-bad-expansion": ["nonsense=%(nope)s"],
        "dash-in-key": ["stop-signal=INT"],
        "turkish-key": ["STARTSECS\u0130=5"],
    }
    for name, text in lines.items():
        program("dialect-" + name, *text)
    texts = {
        "header-junk": "[supervisord]\n[program:a] junk\ncommand=/bin/cat\n",
        "header-two-brackets": "[supervisord]\n[program:a]b]\ncommand=/bin/cat\n",
        "header-spaces-name": "[supervisord]\n[program: a ]\ncommand=/bin/cat\n",
        "header-spaces-kind": "[supervisord]\n[ program:a ]\ncommand=/bin/cat\n",
        "header-upper": "[supervisord]\n[Program:a]\ncommand=/bin/cat\n",
        "header-empty-name": "[supervisord]\n[program:]\ncommand=/bin/cat\n",
        "header-no-colon": "[supervisord]\n[program]\ncommand=/bin/cat\n",
        "header-empty": "[supervisord]\n[]\n[program:a]\ncommand=/bin/cat\n",
        "header-unclosed": "[supervisord]\n[program:a\ncommand=/bin/cat\n",
        "header-comment": "[supervisord] ; x\n[program:a] # y\ncommand=/bin/cat\n",
        "header-comment-inside": "[supervisord]\n[program:a ;b]\ncommand=/bin/cat\n",
        "header-indented": "[supervisord]\n   [program:a]\ncommand=/bin/cat\n",
        "header-indented-after-key": "[supervisord]\nidentifier=x\n  [program:a]\ncommand=/bin/cat\n",
        "header-indented-keys": "[supervisord]\n  [program:a]\n  command=/bin/cat\n",
        "header-name-slash": "[supervisord]\n[program:a/b]\ncommand=/bin/cat\n",
        "header-name-space": "[supervisord]\n[program:a b]\ncommand=/bin/cat\n",
        "header-name-colon": "[supervisord]\n[program:a:b]\ncommand=/bin/cat\n",
        "header-name-not-ascii": "[supervisord]\n[program:gr\u00fcn]\ncommand=/bin/cat\n",
        "header-name-odd": "[supervisord]\n[program:a.b_c-d+e@f(g)*]\ncommand=/bin/cat\n",
        "header-name-percent": "[supervisord]\n[program:a%b]\ncommand=/bin/cat\n",
        "header-name-expansion": "[supervisord]\n[program:%(here)s]\ncommand=/bin/cat\n",
        "section-twice": "[supervisord]\n[program:a]\ncommand=/bin/cat\nstartsecs=2\n[program:b]\ncommand=/bin/b\n"
        "[program:a]\nstartsecs=5\n",
        "section-supervisord-twice": "[supervisord]\nidentifier=a\nminfds=100\n[supervisord]\nidentifier=b\n",
        "default": "[DEFAULT]\nstartsecs=9\n[supervisord]\n[program:a]\ncommand=/bin/cat\n",
        "default-command": "[DEFAULT]\ncommand=/bin/x\n[supervisord]\n[program:a]\n[program:b]\ncommand=/bin/b\n",
        "default-late": "[supervisord]\n[program:a]\ncommand=/bin/cat\n[DEFAULT]\nstopsignal=INT\n",
        "default-expansion": "[DEFAULT]\ndirectory=/srv/%(program_name)s\n[supervisord]\n[program:a]\ncommand=/bin/cat\n",
        "default-overridden": "[DEFAULT]\npriority=4\n[supervisord]\n[program:a]\ncommand=/bin/cat\npriority=5\n",
        "default-environment": "[DEFAULT]\nenvironment=A=1\n[supervisord]\n[program:a]\ncommand=/bin/cat\n",
        "default-lower": "[default]\nstartsecs=9\n[supervisord]\n[program:a]\ncommand=/bin/cat\n",
        "default-user-bad": "[DEFAULT]\nuser=nosuchuser\n[supervisord]\n[program:a]\ncommand=/bin/cat\n",
        "unknown-section": "[supervisord]\n[nonsense]\na=100%\n[program:a]\ncommand=/bin/cat\n",
        "crlf": "[supervisord]\r\n[program:a]\r\ncommand=/bin/echo a\r\n  b\r\n",
        "cr": "[supervisord]\r[program:a]\rcommand=/bin/cat\r",
        "no-final-line-feed": "[supervisord]\n[program:a]\ncommand=/bin/cat",
        "key-before-header": "a=b\n[supervisord]\n",
        "text-before-header": "hello\n[supervisord]\n",
        "comment-before-header": "# a\n; b\n\n[supervisord]\n",
        "indented-before-header": "  a=b\n[supervisord]\n",
        "empty-file": "",
        "only-comments": "# nothing\n; at all\n",
        "byte-order-mark": "\ufeff[supervisord]\n",
        "byte-order-mark-comment": "\ufeff# x\n[supervisord]\n",
        "not-utf8": b"[supervisord]\nidentifier=gr\xfcn\n",
        "not-utf8-start": b"[supervisord]\nidentifier=\xff\n",
        "not-utf8-end": b"[supervisord]\nidentifier=\xe2\x82",
        "not-utf8-middle": b"[supervisord]\nidentifier=\xe2\x82z\n",
        "not-utf8-comment": b"[supervisord]\n# gr\xfcn\n",
        "surrogate": b"[supervisord]\nidentifier=\xed\xa0\x80\n",
        "overlong": b"[supervisord]\nidentifier=\xc0\xaf\n",
        "nul": b"[supervisord]\nidentifier=a\x00b\n",
        "bad-and-good": "[supervisord]\nbad line\n[program:a]\ncommand=/bin/cat\nworse line\n",
        "long-line": "[supervisord]\n[program:a]\ncommand=/bin/echo " + "x" * 10000 + "\n",
        "many-continuations": "[supervisord]\n[program:a]\ncommand=/bin/echo\n" + "  word\n" * 200,
        "indented-file": "  [supervisord]\n  identifier=x\n  [program:a]\n  command=/bin/cat\n",
        "bracket-key": "[supervisord]\n[program:a]\ncommand=/bin/cat\n[x=5\n",
        "bracket-in-continuation": "[supervisord]\n[program:a]\ncommand=/bin/echo\n  [x]\n",
    }
    for name, text in texts.items():
        add("dialect-" + name, text)


def expansion():
    formats = {
        "here": "%(here)s/x",
        "program-name": "%(program_name)s",
        "group-name": "%(group_name)s",
        "host": "%(host_node_name)s",
        "process-num": "%(process_num)d",
        "process-num-padded": "%(process_num)02d",
        "process-num-text": "%(process_num)s",
        "process-num-minus": "%(process_num)-4dx",
        "process-num-plus": "%(process_num)+d",
        "process-num-hex": "%(process_num)#x",
        "process-num-float": "%(process_num).2f",
        "process-num-exponent": "%(process_num)e",
        "process-num-general": "%(process_num)g",
        "process-num-char": "%(process_num)c",
        "numprocs": "%(numprocs)d",
        "text-width": "[%(program_name)5s]",
        "text-left": "[%(program_name)-5s]",
        "text-cut": "%(here).3s",
        "text-repr": "%(program_name)r",
        "text-ascii": "%(program_name)a",
        "text-length-modifier": "%(program_name)ls",
        "text-as-number": "%(program_name)d",
        "text-as-float": "%(program_name)f",
        "text-as-hex": "%(program_name)x",
        "text-as-char": "%(program_name)c",
        "environment": "%(ENV_CORPUS)s",
        "environment-percent": "%(ENV_PERCENT)s",
        "environment-empty": "[%(ENV_EMPTY)s]",
        "environment-lower": "%(env_corpus)s",
        "environment-missing": "%(ENV_NOPE)s",
        "unknown": "%(nope)s",
        "unknown-two": "%(nope)s %(nada)s",
        "percent-twice": "100%%",
        "percent-four": "100%%%%",
        "percent-end": "100%",
        "percent-space": "100% sure",
        "percent-letter": "%Y",
        "percent-unclosed": "%(here",
        "percent-no-type": "%(here)",
        "percent-bad-type": "%(here)q",
        "percent-empty-name": "%()s",
        "percent-nested": "%(a(b)c)s",
        "percent-s": "%s",
        "percent-d": "%d",
        "percent-r-after-name": "%(here)s %s",
        "percent-star": "%(process_num)*d",
        "percent-width-huge": "%(process_num)99999999999d",
        "dollar": "$HOME ${HOME} ~",
        "no-recursion": "%(ENV_FORMAT)s",
        "name-with-space": "%( here )s",
    }
    for name, text in formats.items():
        program("expansion-command-" + name, "command=/bin/echo " + text)
    for name in ("percent-twice", "percent-four", "percent-end", "here", "unknown", "percent-s", "process-num"):
        text = formats[name]
        for key in ("directory", "stdout_logfile", "stderr_logfile", "serverurl", "process_name"):
            value = text if key != "stdout_logfile" and key != "stderr_logfile" else "/tmp/" + text.replace("/", "-")
            program("expansion-key-{}-{}".format(key, name), "{}={}".format(key, value))
        program("expansion-environment-" + name, 'environment=A="{}"'.format(text))
        daemon("expansion-daemon-identifier-" + name, "identifier=" + text)
        daemon("expansion-daemon-variable-" + name, 'environment=A="{}"'.format(text))
    wider = {
        # Names that are there for some keys and not for others.
        "once-process-num": ["startsecs=%(process_num)d"],
        "once-numprocs": ["startsecs=%(numprocs)d"],
        "once-environment": ["startsecs=%(ENV_NUMBER)s"],
        "priority-program-name": ["priority=%(program_name)s"],
        "priority-environment": ["priority=%(ENV_NUMBER)s"],
        "umask-process-num": ["umask=%(process_num)d"],
        "backups-process-num": ["stdout_logfile_backups=%(process_num)d"],
        "maxbytes-numprocs": ["stdout_logfile_maxbytes=%(numprocs)dKB"],
        "syslog-process-num": ["stderr_syslog=%(process_num)d"],
        "capture-process-num": ["stdout_capture_maxbytes=%(process_num)d"],
        "serverurl-process-num": ["serverurl=http://%(process_num)d"],
        "user-environment": ["user=%(ENV_USERNAME)s"],
        "own-environment-command": ['environment=WORD="own"', "command=/bin/echo %(ENV_WORD)s"],
        "own-environment-directory": ['environment=WORD="own"', "directory=/%(ENV_WORD)s"],
        "own-environment-log": ['environment=WORD="own"', "stdout_logfile=/tmp/%(ENV_WORD)s"],
        "own-environment-name": ['environment=WORD="own"', "process_name=%(ENV_WORD)s"],
        "own-environment-shadows": ['environment=CORPUS="own"', "command=/bin/echo %(ENV_CORPUS)s"],
        "own-environment-too-early": ['environment=WORD="5"', "startsecs=%(ENV_WORD)s"],
        "own-environment-itself": ['environment=A="1",B="%(ENV_A)s"'],
        "process-name-program": ["process_name=%(program_name)s-x"],
        "process-name-group": ["process_name=%(group_name)s"],
        "process-name-host": ["process_name=%(host_node_name)s"],
        "process-name-bad": ["process_name=%(nope)s"],
    }
    for name, lines in wider.items():
        program("expansion-" + name, *lines)
    several = [
        "numprocs=3",
        "process_name=%(program_name)s_%(process_num)02d",
        'environment=N="%(process_num)d",OF="%(numprocs)d"',
        "command=/bin/echo %(process_num)d %(numprocs)d %(ENV_N)s",
        "directory=/srv/%(process_num)d",
        "stdout_logfile=/tmp/%(program_name)s-%(process_num)03d.log",
    ]
    program("expansion-several", *several)
    program("expansion-several-start", *several, "numprocs_start=8")
    program("expansion-several-negative-start", *several, "numprocs_start=-2")
    program(
        "expansion-variable-of-first",
        "numprocs=2",
        "process_name=%(process_num)d",
        'environment=V%(process_num)d="x"',
        "command=/bin/echo %(ENV_V0)s",
    )
    texts = {
        "other-program": "[supervisord]\n[program:a]\ncommand=/bin/a\nenvironment=A=1\n"
        "[program:b]\ncommand=/bin/b %(ENV_A)s\n",
        "daemon-environment": "[supervisord]\nenvironment=A=1\n[program:b]\ncommand=/bin/b %(ENV_A)s\n",
        "daemon-environment-early": "[supervisord]\nenvironment=A=1\nidentifier=%(ENV_A)s\n",
        "daemon-environment-server": "[supervisord]\nenvironment=A=1\n[unix_http_server]\nfile=/tmp/%(ENV_A)s\n",
        "daemon-environment-here": '[supervisord]\nenvironment=A="%(here)s"\n[program:a]\ncommand=/bin/cat\n',
        "daemon-environment-host": '[supervisord]\nenvironment=A="%(host_node_name)s"\n[program:a]\ncommand=/bin/cat\n',
        "daemon-environment-own": '[supervisord]\nenvironment=A="1",B="%(ENV_A)s"\n',
        "daemon-host": "[supervisord]\nidentifier=%(host_node_name)s\n",
        "daemon-here": "[supervisord]\nlogfile=%(here)s/x.log\npidfile=%(here)s/x.pid\n",
        "daemon-program-name": "[supervisord]\nidentifier=%(program_name)s\n",
        "server-here": "[supervisord]\n[unix_http_server]\nfile=%(here)s/s.sock\n",
        "server-here-elsewhere": "[supervisord]\n[unix_http_server]\nfile=/tmp/x\nusername=%(here)s\npassword=x\n",
        "server-environment": "[supervisord]\n[inet_http_server]\nport=127.0.0.1:%(ENV_NUMBER)s\n",
        "server-here-inet": "[supervisord]\n[inet_http_server]\nport=%(here)s:9\n",
        "group-environment": "[supervisord]\n[program:a]\ncommand=/bin/a\n"
        "[group:g]\nprograms=%(ENV_LETTER)s\npriority=%(ENV_NUMBER)s\n",
        "group-name-name": "[supervisord]\n[program:a]\ncommand=/bin/a\n[group:g]\nprograms=%(group_name)s\n",
        "group-name-in-group": "[supervisord]\n[program:a]\ncommand=/bin/a %(group_name)s\n[group:g]\nprograms=a\n",
        "listener": "[supervisord]\n[eventlistener:e]\ncommand=/bin/e %(group_name)s %(program_name)s\n"
        "events=%(ENV_EVENT)s\nbuffer_size=%(ENV_NUMBER)s\n",
        "listener-program-name": "[supervisord]\n[eventlistener:e]\ncommand=/bin/e\nevents=%(program_name)s\n",
        "fcgi-socket": "[supervisord]\n[fcgi-program:f]\ncommand=/bin/f\nsocket=unix://%(here)s/%(program_name)s.sock\n",
        "fcgi-socket-number": "[supervisord]\n[fcgi-program:f]\ncommand=/bin/f\nsocket=unix:///tmp/%(process_num)d\n",
        "fcgi-socket-host": "[supervisord]\n[fcgi-program:f]\ncommand=/bin/f\nsocket=tcp://%(host_node_name)s:9000\n",
        "fcgi-socket-environment": "[supervisord]\n[fcgi-program:f]\ncommand=/bin/f\n"
        "socket=tcp://localhost:%(ENV_NUMBER)s\nsocket_backlog=%(ENV_NUMBER)s\n",
        "rpcinterface": "[supervisord]\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
        "supervisor.rpcinterface:%(ENV_FACTORY)s\n",
    }
    for name, text in texts.items():
        add("expansion-" + name, text)


def include():
    one = "[program:b]\ncommand=/bin/b\n"
    base = "[supervisord]\n[include]\nfiles={}\n[program:a]\ncommand=/bin/a\n"
    add("include-one", base.format("b.conf"), b_conf=one)
    add("include-absolute", base.format("%(here)s/b.conf"), b_conf=one)
    add("include-glob", base.format("conf.d/*.conf"), **{"conf.d/z.conf": one.replace("b", "z"), "conf.d/c.conf": one})
    add("include-glob-question", base.format("b?.conf"), b1_conf=one, b22_conf=one.replace(":b", ":c"))
    add("include-glob-class", base.format("[bc].conf"), b_conf=one, c_conf=one.replace(":b", ":c"), d_conf="bad")
    add("include-glob-not", base.format("[!d].conf"), b_conf=one, d_conf="bad")
    add("include-glob-directory", base.format("*/x.conf"), p__x_conf=one, q__x_conf=one.replace(":b", ":c"))
    add("include-glob-stars", base.format("**/x.conf"), p__x_conf=one, p__q__x_conf=one.replace(":b", ":c"))
    add("include-glob-hidden", base.format("*.conf"), **{".b.conf": one, "sub/x": ""})
    add("include-two-patterns", base.format("c.conf b.conf"), b_conf=one, c_conf=one + "startsecs=8\n")
    add("include-two-lines", base.format("c.conf\n  b.conf"), b_conf=one, c_conf=one.replace(":b", ":c"))
    add("include-twice", base.format("b.conf b.conf"), b_conf=one)
    add("include-none", base.format("none/*.conf"))
    add("include-missing-plain", base.format("none.conf"))
    add("include-empty", base.format(""))
    add("include-no-key", "[supervisord]\n[include]\n")
    add("include-other-key", "[supervisord]\n[include]\nfile=b.conf\n", b_conf=one)
    add("include-directory", base.format("dir"), dir__x_conf=one)
    add("include-syntax", base.format("b.conf"), b_conf="[program:b]\nbad line\n")
    add("include-no-header", base.format("b.conf"), b_conf="a=b\n")
    add("include-not-utf8", base.format("b.conf"), **{"b.conf": b"[program:b]\ncommand=/bin/\xff\n"})
    add("include-empty-file", base.format("b.conf"), b_conf="")
    add("include-nested", base.format("b.conf"), b_conf="[include]\nfiles=c.conf\n", c_conf=one)
    add("include-overrides", base.format("b.conf"), b_conf="[program:a]\nstartsecs=9\n[supervisord]\nidentifier=z\n")
    add("include-overrides-itself", base.format("b.conf c.conf"), b_conf=one, c_conf="[program:b]\ncommand=/bin/c\n")
    add("include-bad-value", base.format("b.conf"), b_conf=one + "startsecs=x\n")
    add("include-bad-value-of-main", base.format("b.conf"), b_conf="[program:a]\nstartsecs=x\n")
    add("include-bad-value-in-main", base.format("b.conf") + "startsecs=x\n", b_conf="[program:a]\nstopwaitsecs=1\n")
    add("include-environment", base.format("%(ENV_LETTER)s.conf"), a_conf=one)
    add("include-host", base.format("%(host_node_name)s.conf"))
    add("include-unknown", base.format("%(nope)s.conf"))
    add("include-program-name", base.format("%(program_name)s.conf"))
    add("include-percent", base.format("a%%b.conf"), **{"a%b.conf": one})
    add("include-comment", base.format("b.conf ; c.conf"), b_conf=one, c_conf="bad")
    add("include-tilde", base.format("~/b.conf"), b_conf=one)
    add("include-dots", base.format("x/../b.conf"), b_conf=one, x__y="")
    add("include-default", base.format("b.conf"), b_conf="[DEFAULT]\nstartsecs=4\n")
    add("include-group", base.format("b.conf"), b_conf="[group:g]\nprograms=a\n")
    add("include-order", "[supervisord]\n[program:z]\ncommand=/bin/z\n[include]\nfiles=b.conf\n[program:c]\ncommand=/bin/c\n", b_conf=one)
    add("include-here", base.format("sub/b.conf"), sub__b_conf="[program:b]\ncommand=%(here)s/b\n")
    add("include-here-main", base.format("sub/b.conf") + "directory=%(here)s\n", sub__b_conf="[program:a]\nserverurl=%(here)s\n")
    add("include-here-overridden", base.format("sub/b.conf") + "directory=%(here)s\n", sub__b_conf="[program:a]\ndirectory=%(here)s/x\n")
    add("include-here-twice", base.format("p/b.conf q/c.conf"), p__b_conf="[program:b]\ncommand=%(here)s/b\n", q__c_conf="[program:c]\ncommand=%(here)s/c\n")
    add("include-here-default", base.format("sub/b.conf"), sub__b_conf="[DEFAULT]\ndirectory=%(here)s\n")
    add("include-here-format", base.format("sub/b.conf"), sub__b_conf="[program:b]\ncommand=%(here)10s/b\n")
    add("include-here-percent", base.format("sub/b.conf"), sub__b_conf="[program:b]\ncommand=%%(here)s/b\n")
    add("include-here-supervisord", base.format("sub/b.conf"), sub__b_conf="[supervisord]\nlogfile=%(here)s/x.log\n")
    add("include-here-unix", base.format("sub/b.conf"), sub__b_conf="[unix_http_server]\nfile=%(here)s/x.sock\n")
    add("include-here-environment", base.format("sub/b.conf"), sub__b_conf='[program:b]\ncommand=x\nenvironment=H="%(here)s"\n')
    add("include-no-supervisord", "[include]\nfiles=b.conf\n", b_conf="[supervisord]\nidentifier=inc\n")
    add("include-upper", "[supervisord]\n[Include]\nfiles=b.conf\n", b_conf="bad")
    add("include-in-include-section", base.format("b.conf"), b_conf="[include]\nfiles=\n" + one)
    add("include-main-elsewhere", base.format("b.conf"), main="etc/main.conf", **{"etc/b.conf": one})


def values():
    each("integer", "startsecs", ["0", "-5", "+5", " 5 ", "1_000", "005", "5.0", "0x10", "", "five", "1__0", "_1", "5s", "\u0665", "--5", "+ 5", "2147483647", "2147483648"])
    each("boolean", "autostart", ["true", "TRUE", "yes", "On", "1", "false", "No", "off", "0", "2", "", "t", "y", "none", "true false"])
    each("byte-size", "stdout_logfile_maxbytes", ["0", "1", "1KB", "1kb", "1 MB", "2Gb", "1K", "1B", "1.5MB", "KB", "", "-1", "-1KB", "1_0KB", "10xb", "1TB", "+5MB", "1024"])
    each("octal", "umask", ["022", "0", "0o77", "0O77", "777", "7_7", "-1", "8", "99", "abc", "", "+22", " 22 ", "0022", "1777", "0b1", "0x1"])
    each("signal", "stopsignal", ["TERM", "term", "SIGTERM", "sigint", " HUP ", "9", "15", "USR1", "USR2", "QUIT", "KILL", "FOO", "999", "", "-1", "32", "33", "34", "64", "65", "RTMIN", "RTMAX", "RTMIN+1", "SIG", "CLD", "POLL", "IOT", "STKFLT", "PWR", "SIGSIG", "1_5", "+15"])
    each("signal-python", "stopsignal", ["0", "SIG_DFL", "SIG_IGN", "_DFL", "SIG_BLOCK", "SIG_SETMASK", "NAL"])
    each("exitcodes", "exitcodes", ["0", "0,2", "0, 2 ,3", "", "255", "256", "-1", "a", "0,", ",0", "0,,1", "1 2", "0_1", "+3", "0,0", "007"])
    each("autorestart", "autorestart", ["true", "false", "unexpected", "Unexpected", "UNEXPECTED", "on", "1", "0", "never", "", "always", "expected", "foo", "FOO"])
    each("user", "user", ["root", "nobody", "0", "65534", "nosuchuser", "99999", "", "-1", "00", " nobody ", "nobody nobody"])
    each("user-group", "user", ["nobody:nogroup", "65534:65534", "nobody:nosuch", "nosuch:nogroup", "nobody:", ":nogroup"])
    each("logfile", "stdout_logfile", ["NONE", "none", "Off", "AUTO", "auto", "Auto", "syslog", "SYSLOG", "", "/tmp/x.log", "x.log", "./x.log", "sub/x.log", "/no/such/x.log", "~/x.log", "~nobody/x.log", "~nosuch/x.log", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/null", "/tmp/a b.log", "/tmp//x.log", "/tmp/../tmp/x.log", "NONE ", "nonesuch", "/x.log", "None,"])
    each("errlog", "stderr_logfile", ["NONE", "off", "AUTO", "syslog", "", "/tmp/x.err", "/no/such/x.err", "~/x.err"])
    each("directory", "directory", ["/tmp", "/no/such", "relative", "~", "~/x", "", "/tmp/a b", "%(here)s"])
    each("serverurl", "serverurl", ["AUTO", "auto", " Auto ", "http://x:1", "nonsense", "", "unix:///x", "AUTO x"])
    each("loglevel", "loglevel", ["critical", "error", "warn", "info", "debug", "trace", "blather", "INFO", "Warn", "warning", "", "10", "crit", "all"], of=daemon)
    each("minfds", "minfds", ["1024", "1", "0", "-1", "abc", "", "1e3"], of=daemon)
    each("minprocs", "minprocs", ["200", "1", "abc"], of=daemon)
    each("daemon-umask", "umask", ["022", "0", "077", "9", ""], of=daemon)
    each("daemon-directory", "directory", ["/tmp", "/no/such", "~", "relative", "", "/etc/passwd"], of=daemon)
    each("daemon-logfile", "logfile", ["/tmp/x.log", "x.log", "/no/such/x.log", "~/x.log", "syslog", "SYSLOG", "/dev/stdout", "/dev/null", "./x.log"], of=daemon)
    each("daemon-maxbytes", "logfile_maxbytes", ["50MB", "0", "1KB", "-1", "x", ""], of=daemon)
    each("daemon-backups", "logfile_backups", ["10", "0", "x", ""], of=daemon)
    each("daemon-pidfile", "pidfile", ["/tmp/x.pid", "x.pid", "/no/such/x.pid", "~/x.pid"], of=daemon)
    each("daemon-childlogdir", "childlogdir", ["/tmp", "/no/such", "~", "%(here)s", "/etc/passwd"], of=daemon)
    each("daemon-identifier", "identifier", ["super", "", "with space", "a:b", "gr\u00fcn"], of=daemon)
    each("daemon-user", "user", ["root", "0", "nosuchuser", "99999", ""], of=daemon)
    for key in ("nodaemon", "silent", "nocleanup", "strip_ansi"):
        each("daemon-" + key, key, ["true", "off", "maybe", ""], of=daemon)
    daemon("daemon-unknown-key", "nonsense=%(nope)s")
    daemon("daemon-all", "logfile=/tmp/l", "logfile_maxbytes=1MB", "logfile_backups=3", "loglevel=debug", "pidfile=/tmp/p",
           "umask=002", "nodaemon=true", "silent=true", "minfds=100", "minprocs=50", "nocleanup=true", "childlogdir=/tmp",
           "directory=/tmp", "strip_ansi=true", "environment=A=1,B=2", "identifier=i", "user=root")


def environments():
    texts = [
        'A="a,b",B=c', "A=1,", "A=", "A=,B=1", "A=1,,B=2", "A=a=b", "A=a@b", "A=1 B=2", "A=1\n  B=2", 'A="1",\n  B="2"',
        "A=a b", "A=~/x", "A=$HOME", "A=!x", "A=1;B=2", 'A=x"y z"', 'A="x"y', 'A="a\\"b"', "A='say \"hi\"'", "A=\"'x'\"",
        "A=a\\b", '"A"=1', 'A="l1\n  l2"', "A=\u00e9", "A-B=1", "A.B=1", "A=http://x/y", "A=1:2", "", "A", "=1", "A=1,A=2",
        "a=1,A=2", 'A=""', "A=''", 'A="', "A='x", 'A="#x"', "A=1#x", "A=1,#B=2", "A=(1)", "A=[1]", "A={1}", "A=a+b", "A=a,b=c,d=e",
        "A=1, B=2", "A = 1 , B = 2", ' A=1', 'A="%%"', "A=%%", "A=1&B=2", "A=1|B=2", "A=a?b", "A=a*b", 'A="1";B="2"', "A:B=1",
        'A="a" "b"', "A=\"a\"'b'", "A=\u00a0x", "1=2", "A=-1", "A=+1", "/x=1", "A=`x`", "A=<x>", 'A="\u20ac"', "A=x,B", "A=x,B=",
        "PATH=/opt/bin", "SUPERVISOR_ENABLED=no", "SUPERVISOR_SERVER_URL=x,SUPERVISOR_PROCESS_NAME=y,SUPERVISOR_GROUP_NAME=z",
        "HOME=/x", 'A="tab\there"', "CORPUS=", 'CORPUS=""', "A='''x'''", 'A="""x"""', "A='\"x\"'",
    ]
    for number, text in enumerate(texts):
        program("environment-{:02}".format(number), "environment=" + text)
    for number in (0, 1, 2, 14, 15, 17, 21, 38, 52):
        daemon("environment-daemon-{:02}".format(number), "environment=" + texts[number])
    daemon("environment-merged", "environment=A=1,B=2", rest="environment=B=3,C=4\n")
    daemon("environment-merged-path", "environment=PATH=/opt", rest="")
    add("environment-serverurl", "[supervisord]\n[unix_http_server]\nfile=/tmp/s\n[program:a]\ncommand=x\nserverurl=http://y\n")


def programs():
    add("program-no-command", "[supervisord]\n[program:a]\nstartsecs=1\n")
    add("program-empty", "[supervisord]\n[program:a]\n")
    add("program-none", "[supervisord]\n")
    each("numprocs", "numprocs", ["1", "0", "-1", "2", "x", ""])
    for number in ("0", "1", "3", "12", "-3"):
        program("numprocs-named-" + number, "numprocs=" + number, "process_name=p%(process_num)d")
    program("numprocs-name-no-number", "numprocs=2", "process_name=x")
    program("numprocs-name-other-number", "numprocs=2", "process_name=x%(process_num)s")
    program("numprocs-name-same", "numprocs=2", "process_name=x%(process_num).0s")
    program("numprocs-start-bad", "numprocs=2", "process_name=%(process_num)d", "numprocs_start=x")
    program("numprocs-order", "numprocs=12", "process_name=p%(process_num)d")
    each("process-name", "process_name", ["x", " x ", "a b", "a:b", "a/b", "", "gr\u00fcn", "x%%y", "%(ENV_SPACED)s", "%(ENV_SLASHED)s", "%(ENV_COLON)s"])
    each("priority", "priority", ["1", "-1", "0", "x", "999999", ""])
    each("startretries", "startretries", ["0", "-1", "5", "x"])
    each("stopwaitsecs", "stopwaitsecs", ["0", "-1", "60", "x"])
    for stop in ("", "true", "false", "maybe"):
        for kill in ("", "true", "false", "maybe"):
            lines = ["{}={}".format(k, v) for k, v in (("stopasgroup", stop), ("killasgroup", kill)) if v]
            program("asgroup-{}-{}".format(stop or "unset", kill or "unset"), *lines)
    for channel in ("stdout", "stderr"):
        each(channel + "-backups", channel + "_logfile_backups", ["0", "3", "-1", "x"])
        each(channel + "-maxbytes", channel + "_logfile_maxbytes", ["0", "3KB"])
        each(channel + "-capture", channel + "_capture_maxbytes", ["0", "1MB", "x", "-1"])
        each(channel + "-events", channel + "_events_enabled", ["true", "false", "x"])
        each(channel + "-syslog", channel + "_syslog", ["true", "false", "x"])
    program("redirect", "redirect_stderr=true")
    program("redirect-file", "redirect_stderr=true", "stderr_logfile=/tmp/x.err")
    program("redirect-none", "redirect_stderr=true", "stderr_logfile=NONE")
    program("redirect-syslog", "redirect_stderr=true", "stderr_logfile=syslog")
    program("redirect-bad-file", "redirect_stderr=true", "stderr_logfile=/no/such/x")
    program("redirect-bad", "redirect_stderr=perhaps")
    program("log-one-file", "stdout_logfile=/tmp/x.log", "stderr_logfile=/tmp/x.log")
    program("log-syslog-and-file", "stdout_logfile=/tmp/x.log", "stdout_syslog=true")
    program("log-auto-no-limit", "stdout_logfile_maxbytes=0", "stderr_logfile_maxbytes=0")
    program("log-huge", "stdout_logfile_maxbytes=3GB")
    program("command-unclosed-quote", "command=/bin/echo 'a")
    program("command-empty-quotes", 'command=""')
    program("command-escapes", 'command=/bin/echo a\\ b "c\\"d" \'e\\f\' g\\\\h')
    program("command-joined", "command=/bin/echo a'b'\"c\"")
    program("command-hash-word", "command=/bin/echo a#b")
    program("command-relative", "command=bin/x")
    program("command-bare", "command=cat")
    program("everything", "command=/bin/cat -u", "process_name=%(program_name)s", "numprocs=1", "directory=/tmp", "umask=022",
            "priority=5", "autostart=false", "autorestart=true", "startsecs=2", "startretries=4", "exitcodes=0,1", "stopsignal=QUIT",
            "stopwaitsecs=3", "stopasgroup=true", "killasgroup=true", "user=root", "redirect_stderr=true", "stdout_logfile=/tmp/a",
            "stdout_logfile_maxbytes=2MB", "stdout_logfile_backups=5", "stdout_capture_maxbytes=1MB", "stdout_events_enabled=true",
            "stdout_syslog=true", "stderr_logfile_maxbytes=3MB", "stderr_logfile_backups=6", "stderr_capture_maxbytes=2MB",
            "stderr_events_enabled=true", "stderr_syslog=true", "environment=A=1", "serverurl=http://x")
    two_errors = "[supervisord]\n[program:a]\ncommand=/bin/cat\nstartsecs=x\nautostart=y\n[program:b]\ncommand=/bin/b\nstopsignal=z\n"
    add("error-first-of-several", two_errors)
    add("error-order-kinds", "[supervisord]\n[eventlistener:e]\ncommand=x\n[program:a]\ncommand=x\nstartsecs=x\n[group:g]\nprograms=none\n")
    add("error-order-daemon", "[program:a]\nstartsecs=x\n[supervisord]\nminfds=x\n")
    add("error-order-server", "[inet_http_server]\nport=x\n[supervisord]\n[program:a]\ncommand=x\nstartsecs=x\n")


def groups():
    two = "[supervisord]\n[program:a]\ncommand=/bin/a\n[program:b]\ncommand=/bin/b\n"
    texts = {
        "plain": two + "[group:g]\nprograms=a,b\n",
        "order": two + "[group:g]\nprograms=b,a\n",
        "spaces": two + "[group:g]\nprograms= b , a \n",
        "lines": two + "[group:g]\nprograms=a,\n  b\n",
        "one": two + "[group:g]\nprograms=b\n",
        "empty": two + "[group:g]\nprograms=\n",
        "no-key": two + "[group:g]\n",
        "priority": two + "[group:g]\nprograms=a\npriority=7\n",
        "priority-bad": two + "[group:g]\nprograms=a\npriority=x\n",
        "unknown": two + "[group:g]\nprograms=a,c\n",
        "trailing-comma": two + "[group:g]\nprograms=a,\n",
        "twice-in-group": two + "[group:g]\nprograms=a,a\n",
        "in-two-groups": two + "[group:g]\nprograms=a\n[group:h]\nprograms=a,b\n",
        "name-of-program": two + "[group:a]\nprograms=a\n",
        "name-of-other-program": two + "[group:a]\nprograms=b\n",
        "name-trimmed": two + "[group: g ]\nprograms=a\n",
        "name-space": two + "[group:a b]\nprograms=a\n",
        "name-slash": two + "[group:a/b]\nprograms=a\n",
        "name-empty": two + "[group:]\nprograms=a\n",
        "same-process-names": "[supervisord]\n[program:a]\ncommand=/bin/a\nprocess_name=x\n[program:b]\ncommand=/bin/b\n"
        "process_name=x\n[group:g]\nprograms=a,b\n",
        "listener": two + "[eventlistener:e]\ncommand=x\nevents=TICK_5\n[group:g]\nprograms=e\n",
        "fcgi": two + "[fcgi-program:f]\ncommand=x\nsocket=unix:///tmp/f\n[group:g]\nprograms=a,f\n",
        "fcgi-ambiguous": two + "[fcgi-program:a]\ncommand=x\nsocket=unix:///tmp/f\n[group:g]\nprograms=a\n",
        "fcgi-same-name": two + "[fcgi-program:a]\ncommand=x\nsocket=unix:///tmp/f\n",
        "listener-same-name": two + "[eventlistener:a]\ncommand=x\nevents=TICK_5\n",
        "several": "[supervisord]\n[program:a]\ncommand=/bin/a\nnumprocs=3\nprocess_name=%(group_name)s-%(process_num)d\n"
        "priority=3\n[group:g]\nprograms=a\n",
        "member-priority": "[supervisord]\n[program:a]\ncommand=/bin/a\npriority=9\n[program:b]\ncommand=/bin/b\npriority=2\n"
        "[group:g]\nprograms=a,b\n",
        "sorted": "[supervisord]\n[program:c]\ncommand=c\npriority=5\n[program:a]\ncommand=a\npriority=5\n[program:b]\n"
        "command=b\npriority=-5\n[group:z]\nprograms=c\npriority=1\n",
        "sorted-names": "[supervisord]\n[program:B]\ncommand=c\n[program:a]\ncommand=a\n[program:\u00e4]\ncommand=b\n[program:_]\ncommand=b\n",
        "member-bad": "[supervisord]\n[program:a]\ncommand=/bin/a\nstartsecs=x\n[group:g]\nprograms=a\n",
        "member-bad-priority": "[supervisord]\n[program:a]\ncommand=/bin/a\npriority=x\n[group:g]\nprograms=a\n",
        "member-name-trimmed": "[supervisord]\n[program: a ]\ncommand=/bin/a\n[group:g]\nprograms=a\n",
        "unknown-key": two + "[group:g]\nprograms=a\nstartsecs=%(nope)s\n",
        "before-programs": "[group:g]\nprograms=a\n[program:a]\ncommand=x\n[supervisord]\n",
        "case": two + "[group:g]\nprograms=A\n",
        "environment": "[supervisord]\nenvironment=A=1\n[program:a]\ncommand=x\nenvironment=B=2\n[group:g]\nprograms=a\n",
    }
    for name, text in texts.items():
        add("group-" + name, text)
    each("program-level-priority", "priority", ["x", "%(nope)s"])


def listeners():
    def listener(name, *lines, of="e"):
        lines = lines if any(line.startswith("command") for line in lines) else ("command=/bin/e", *lines)
        add("listener-" + name, "[supervisord]\n[eventlistener:{}]\n{}\n".format(of, "\n".join(lines)))

    tick = "events=TICK_5"
    listener("plain", tick)
    for number, events in enumerate(["TICK_5,TICK_60", "tick_5", " PROCESS_STATE , EVENT", "TICK_5,TICK_5", "TICK", "FOO", "TICK_5,",
                                     "", "EVENT", "PROCESS_STATE_RUNNING,PROCESS_LOG_STDOUT", "REMOTE_COMMUNICATION", "PROCESS_GROUP",
                                     "SUPERVISOR_STATE_CHANGE_RUNNING", "PROCESS_COMMUNICATION_STDERR", "TICK_10", "__CLASS__"]):
        listener("events-{}".format(number), "events=" + events)
    listener("no-events")
    for value in ("1", "0", "-1", "100", "x", ""):
        listener("buffer-" + (value or "empty"), tick, "buffer_size=" + value)
    for value in ("5", "-1", "x"):
        listener("priority-" + value, tick, "priority=" + value)
    listener("redirect", tick, "redirect_stderr=true")
    listener("redirect-false", tick, "redirect_stderr=false")
    listener("redirect-bad", tick, "redirect_stderr=x")
    listener("handler", tick, "result_handler=supervisor.dispatchers:default_handler")
    listener("handler-bad", tick, "result_handler=foo:bar")
    listener("handler-no-attribute", tick, "result_handler=supervisor.dispatchers:nope")
    listener("numprocs", tick, "numprocs=2", "process_name=%(program_name)s_%(process_num)d")
    listener("no-command", tick, "command_=x")
    listener("capture", tick, "stdout_capture_maxbytes=1MB", "stdout_events_enabled=true", "stderr_events_enabled=true")
    listener("bad-value", tick, "startsecs=x")
    listener("name-trimmed", tick, of=" e ")
    listener("name-space", tick, of="e f")
    listener("name-empty", tick, of="")
    listener("environment", tick, "environment=A=1")
    listener("user", tick, "user=nobody")
    add("listener-two", "[supervisord]\n[eventlistener:b]\ncommand=x\nevents=TICK_5\n[eventlistener:a]\ncommand=y\nevents=EVENT\n"
        "[program:p]\ncommand=z\n")
    add("listener-missing-command", "[supervisord]\n[eventlistener:b]\nevents=TICK_5\n")


def fcgi():
    def fcgi(name, *lines):
        add("fcgi-" + name, "[supervisord]\n[fcgi-program:f]\ncommand=/bin/f\n{}\n".format("\n".join(lines)))

    unix, tcp = "socket=unix:///tmp/f.sock", "socket=tcp://localhost:9000"
    fcgi("unix", unix)
    fcgi("tcp", tcp)
    fcgi("none")
    for number, url in enumerate(["", "foo", "unix://rel/path", "unix://", "tcp://localhost", "tcp://:9000", "tcp://h:abc", "tcp://h:0",
                                  "tcp://h:99999", "http://h:1", "TCP://h:1", "unix:///tmp/../tmp/x", "unix:///tmp//x", "tcp://HOST:80",
                                  "tcp://1.2.3.4:80", "tcp://[::1]:80", "tcp://h:1/", "unix:///~/x", "tcp://h:080", "tcp://a b:1"]):
        fcgi("socket-{}".format(number), "socket=" + url)
    for number, value in enumerate(["0777", "9", "", "0", "666"]):
        fcgi("mode-{}".format(number), unix, "socket_mode=" + value)
    for number, value in enumerate(["root", "root:root", "nobody:nogroup", "0:0", "nosuch", "root:nosuch", "", ":root", "root:"]):
        fcgi("owner-{}".format(number), unix, "socket_owner=" + value)
    for number, value in enumerate(["1", "0", "65535", "65536", "-1", "x", ""]):
        fcgi("backlog-{}".format(number), unix, "socket_backlog=" + value)
    fcgi("tcp-mode", tcp, "socket_mode=0700")
    fcgi("tcp-owner", tcp, "socket_owner=root")
    fcgi("tcp-backlog", tcp, "socket_backlog=7")
    fcgi("user", unix, "user=nobody")
    fcgi("user-root", unix, "user=root")
    fcgi("user-bad", unix, "user=nosuch")
    fcgi("priority", unix, "priority=4")
    fcgi("priority-bad", unix, "priority=x")
    fcgi("numprocs", unix, "numprocs=3", "process_name=%(program_name)s_%(process_num)02d")
    fcgi("bad-value", unix, "startsecs=x")
    fcgi("redirect", unix, "redirect_stderr=true")
    add("fcgi-no-command", "[supervisord]\n[fcgi-program:f]\nsocket=unix:///tmp/x\n")
    add("fcgi-name-space", "[supervisord]\n[fcgi-program:f g]\ncommand=x\nsocket=unix:///tmp/x\n")


def servers():
    def inet(name, *lines, of="inet_http_server"):
        add("inet-" + name, "[supervisord]\n[{}]\n{}\n[program:a]\ncommand=x\n".format(of, "\n".join(lines)))

    def unix(name, *lines, of="unix_http_server"):
        add("unix-" + name, "[supervisord]\n[{}]\n{}\n[program:a]\ncommand=x\n".format(of, "\n".join(lines)))

    for number, port in enumerate(["9001", ":9001", "*:9001", "127.0.0.1:9001", "LOCALHOST:9001", "abc", "127.0.0.1:", "127.0.0.1:abc",
                                   "127.0.0.1:99999", "127.0.0.1:0", "0", "99999", "", "127.0.0.1: 80", " 9001 ", "-1", "9_001"]):
        inet("port-{}".format(number), "port=" + port)
    inet("none", "username=a", "password=b")
    inet("auth", "port=127.0.0.1:9001", "username=a", "password=b")
    inet("auth-sha", "port=127.0.0.1:9001", "username=a", "password={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d")
    inet("auth-no-password", "port=127.0.0.1:9001", "username=a")
    inet("auth-no-name", "port=127.0.0.1:9001", "password=a")
    inet("auth-both-empty", "port=127.0.0.1:9001", "username=", "password=")
    inet("auth-percent", "port=127.0.0.1:9001", "username=a", "password=100%")
    inet("auth-percent-twice", "port=127.0.0.1:9001", "username=a", "password=100%%")
    inet("auth-comment", "port=127.0.0.1:9001", "username=a", "password=b;c #d")
    inet("auth-environment", "port=127.0.0.1:9001", "username=%(ENV_CORPUS)s", "password=%(ENV_PERCENT)s")
    inet("prefix", "port=127.0.0.1:9001", of="inet_http_serverXYZ")
    inet("named", "port=127.0.0.1:9001", of="inet_http_server:name")
    unix("plain", "file=/tmp/x.sock")
    unix("none", "chmod=0700")
    unix("relative", "file=x.sock")
    unix("tilde", "file=~/x.sock")
    unix("dots", "file=/tmp/../tmp//x.sock")
    unix("empty", "file=")
    for number, value in enumerate(["0700", "0777", "0", "999", "", "0o770", "x"]):
        unix("chmod-{}".format(number), "file=/tmp/x.sock", "chmod=" + value)
    for number, value in enumerate(["root", "root:root", "0:0", "nobody:nogroup", "nosuch", "root:nosuch", "nosuch:root", "", "99999"]):
        unix("chown-{}".format(number), "file=/tmp/x.sock", "chown=" + value)
    unix("auth", "file=/tmp/x.sock", "username=a", "password=b")
    unix("auth-no-name", "file=/tmp/x.sock", "password=b")
    unix("prefix", "file=/tmp/x.sock", of="unix_http_server_two")
    unix("named", "file=/tmp/x.sock", of="unix_http_server:two")
    tail = "[program:a]\ncommand=x\n"
    add("servers-both", "[supervisord]\n[inet_http_server]\nport=127.0.0.1:1\n[unix_http_server]\nfile=/tmp/u\n" + tail)
    add("servers-two-unix", "[supervisord]\n[unix_http_server:a]\nfile=/tmp/u\n[unix_http_server:b]\nfile=/tmp/v\n" + tail)
    add("servers-two-inet", "[supervisord]\n[inet_http_server:a]\nport=127.0.0.1:1\n[inet_http_server:b]\nport=127.0.0.1:2\n" + tail)
    add("servers-any", "[supervisord]\n[inet_http_server]\nport=*:1\n" + tail)
    add("servers-none", "[supervisord]\n" + tail)


def plugins():
    main = "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    add("rpcinterface", "[supervisord]\n[rpcinterface:supervisor]\n" + main)
    add("rpcinterface-retries", "[supervisord]\n[rpcinterface:supervisor]\n" + main + "retries=1\n")
    add("rpcinterface-none", "[supervisord]\n[rpcinterface:supervisor]\n")
    add("rpcinterface-unresolved", "[supervisord]\n[rpcinterface:x]\nsupervisor.rpcinterface_factory=foo.bar:baz\n")
    add("rpcinterface-extra-bad", "[supervisord]\n[rpcinterface:supervisor]\n" + main + "x=%(nope)s\n")
    add("rpcinterface-other", "[supervisord]\n[rpcinterface:other]\n" + main)
    add("rpcinterface-upper-key", "[supervisord]\n[rpcinterface:supervisor]\nSUPERVISOR.RPCINTERFACE_FACTORY=supervisor.rpcinterface:make_main_rpcinterface\n")
    add("ctlplugin", "[supervisord]\n[ctlplugin:x]\nsupervisor.ctl_factory=foo:bar\n")
    add("supervisorctl", "[supervisord]\n[supervisorctl]\nserverurl=%(nope)s\nprompt=100%\n")
    add("no-supervisord", "[program:a]\ncommand=x\n")
    add("supervisord-upper", "[Supervisord]\n[program:a]\ncommand=x\n")


def command_lines():
    text = "[supervisord]\nlogfile=/tmp/f.log\nidentifier=file\n[program:a]\ncommand=x\n"
    lines = {
        "nodaemon": "-n", "silent": "-s", "nocleanup": "-k", "strip": "-t", "umask": "-m 077", "directory": "-d /tmp",
        "logfile": "-l /tmp/o.log", "maxbytes": "-y 1MB", "backups": "-z 3", "level": "-e debug", "pidfile": "-j /tmp/o.pid",
        "identifier": "-i opt", "childlogdir": "-q /var", "minfds": "-a 99", "minprocs": "--minprocs=99", "user": "-u root",
        "long": "--logfile=/tmp/o.log --loglevel=warn --nodaemon", "abbreviated": "--logfile_m=1KB --ident=x",
        "ambiguous": "--min=5", "unknown": "--bogus", "unknown-short": "-x", "no-argument": "-l", "positional": "foo bar",
        "level-bad": "-e foo", "umask-bad": "-m 9", "maxbytes-bad": "-y x", "logfile-bad": "-l /no/such/x", "directory-bad": "-d /no/such",
        "minfds-bad": "-a x", "user-bad": "-u nosuch", "twice": "-i a -i b", "twice-mixed": "-i a --identifier=b", "twice-flag": "-n -n",
        "flag-argument": "--nodaemon=1", "configuration-twice": "-c x", "level-upper": "-e WARN", "joined": "-iopt", "cluster": "-ntk",
        "profile": "--profile_options=cumulative", "dashes": "--", "dashes-word": "-- x", "version-bad": "--version=1", "zero-backups": "-z 0",
    }
    for name, words in lines.items():
        add("option-" + name, text, args=words.split())


def cases():
    if not ALL:
        for write in (dialect, expansion, include, values, environments, programs, groups, listeners, fcgi, servers, plugins, command_lines):
            write()
    return ALL
