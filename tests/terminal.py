"""What other people's bytes hold reaches a terminal escaped: every verb is run on a terminal with
names, messages, schemas and options that hold orders to one. Run by cli_terminal_test.sh, in an
empty folder, with the command's path."""

import fcntl
import json
import os
import pty
import subprocess
import sys

FLATSTREAM = sys.argv[1].encode()

# An order of ASCII, the same in Latin-1 and in UTF-8, what moves the cursor, what deletes.
EVIL = b"e\x1b]0;x\x07\x9b2J\xc2\x9b3Jz\r\b\x7f"
WELL = EVIL.replace(b"\x9b2J", b"", 1)  # as far as it is UTF-8
NAME = b"n" + EVIL + b".fls"

failures = 0
runs = 0


def on_terminal(arguments):
    """What the terminal would see of the command, and how it ended."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(FLATSTREAM, [b"flatstream", *arguments])
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(terminal)
    return seen, os.waitpid(child, 0)[1]


def orders_in(seen):
    """Why these bytes are not only text; None: they are."""
    seen = seen.replace(b"\r\x1b[K", b"").replace(b"\r\n", b"\n")  # the progress; the terminal's own
    try:
        text = seen.decode()
    except UnicodeDecodeError as error:
        return str(error)
    for character in text:
        code = ord(character)
        if (code < 0x20 and character not in "\n\t") or 0x7F <= code < 0xA0:
            return f"U+{code:04X}"
    return None


def check(*arguments, says=b"\\x1b", status=None):
    """Runs it; it must say `says`, and give no orders."""
    global failures, runs
    runs += 1
    arguments = [a if isinstance(a, bytes) else a.encode() for a in arguments]
    seen, ended = on_terminal(arguments)
    wrong = orders_in(seen)
    if wrong is None and says not in seen:
        wrong = f"it does not say {says}"
    if wrong is None and status is not None and os.waitstatus_to_exitcode(ended) != status:
        wrong = f"exit {os.waitstatus_to_exitcode(ended)}"
    if wrong:
        failures += 1
        print(f"FAILED: {arguments}: {wrong}: {seen[:300]}", file=sys.stderr)


def quietly(*arguments, given=b""):
    arguments = [a if isinstance(a, bytes) else a.encode() for a in arguments]
    done = subprocess.run([FLATSTREAM, *arguments], input=given, capture_output=True)
    return done.returncode, done.stdout


VERBS = ("cat", "tail", "select", "info", "verify", "recover", "salvage", "index", "slice", "split",
         "merge", "convert", "replay", "write", "bench")
OUT = {"salvage": ("-o", "x1"), "slice": ("--from", "0", "-o", "x2"), "split": ("--count", "2", "-o", "x3"),
       "convert": ("-o", "x4"), "write": ("-o", "x5")}


def usage_and_names():
    check(EVIL)
    check(b"--" + EVIL)
    check("help", EVIL)
    for verb in VERBS:
        check(verb, b"--" + EVIL, status=2)
        check(verb, b"-" + EVIL, status=2)
        if verb not in ("select", "merge", "replay", "bench"):
            check(verb, b"missing" + NAME, *OUT.get(verb, ()))
    quietly("write", "-o", NAME, given=b"a\nb\n")
    for verb in ("info", "verify", "recover"):
        check(verb, NAME, status=0)
    check("cat", "--from", "9", NAME)
    check("split", "--count", "1", NAME, "-o", b"part" + EVIL, status=0)
    check("cat", "--as", EVIL, NAME, status=2)
    check("cat", "-n", EVIL, NAME, status=2)
    check("slice", "--from", EVIL, NAME, "-o", "x6", status=2)
    check("write", "-o", NAME, "--sync", EVIL, status=2)
    check("write", "-o", b"no/" + NAME, status=3)


def lock_holder():
    with open("held.fls.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(b"pid 1, " + EVIL + b"\nboot x\n")
        lock.flush()
        check("write", "-o", "held.fls", "/dev/null", status=3)
        check("write", "-o", "held.fls", "--rotate-messages", "5", "/dev/null", status=3)


def messages():
    quietly("write", "-o", "evil.fls", given=EVIL + b"\n" + "é\t€\n".encode() + b"\xf0\x9f\n")
    for form in ("lines", "raw", "sized"):
        check("cat", "--as", form, "evil.fls", status=0)
        check("tail", "--as", form, "evil.fls", status=0)
    check("cat", "evil.fls", says="é\t€".encode())
    check("cat", "evil.fls", says=b"\\xf0\\x9f")
    check("cat", "--as", "hex", "evil.fls", says=b"65 1b 5d", status=0)
    for verb in (("write", "-o", "-", "/dev/null"), ("convert", "evil.fls", "-o", "-"),
                 ("slice", "evil.fls", "--from", "0", "-o", "-")):
        check(*verb, says=b"terminal", status=2)
    check("recover", "evil.fls", "-o", "-")
    long = b"".join(("%d €é" % i).encode() + b"\x1b\n" for i in range(40000))
    quietly("write", "-o", "long.fls", given=long)
    seen, _ = on_terminal([b"cat", b"long.fls"])
    if seen.replace(b"\r\n", b"\n") != long.replace(b"\x1b", b"\\x1b"):
        raise SystemExit("characters are lost or broken on their way to the terminal")


def frame_streams():
    def part(kind):
        body = b"\0\0\0\2\0\0\0\1" + len(kind).to_bytes(4, "big") + kind
        return (b"\0\0\0\0" + len(body).to_bytes(4, "big") + body + b"\0\0\0\1x" +
                b"\0\0\0\0\0\0\0\4\0\0\0\3")
    with open("mixed.fstrm", "wb") as file:
        file.write(part(EVIL) + part(b"other"))
    check("convert", "mixed.fstrm", "--from", "fstrm", "-o", "x7", status=1)
    check("convert", "mixed.fstrm", "--from", "fstrm", "--content-type", "a", "-o", "x8", status=1)


def schemas():
    """Texts in messages, and names in a schema, which are others' as well."""
    with open("e.fbs", "w", encoding="ascii") as file:
        file.write("enum Colour:byte { Zero, Rednamed, Greenish }\n"
                   "table T { t:ulong; fieldname:string; colour:Colour; }\nroot_type T;\n")
    if subprocess.run(["flatc", "-b", "--schema", "e.fbs"], capture_output=True).returncode != 0:
        print("cli_terminal_test: SKIPPED schemas: no flatc")
        return
    lines = b"".join(b'{"t":%d,"fieldname":%s,"colour":"Rednamed"}\n' %
                     (i, json.dumps(WELL.decode()).encode()) for i in (1, 2))
    if quietly("write", "-o", "t.fls", "--from", "jsonl", "--schema", "e.fbs", given=lines)[0] != 0:
        print("cli_terminal_test: SKIPPED schemas: no JSON")
        return
    with open("e.bfbs", "rb") as file:
        compiled = file.read()
    # Names of the same length; ASCII's control characters are refused by the schema's reader.
    evil_name = b"f\xc2\x9b2J\xc2\x9bme"
    with open("control.bfbs", "wb") as file:
        file.write(compiled.replace(b"fieldname", b"f\x1b[2Jname"))
    check("cat", "--as", "json", "--schema", "control.bfbs", "t.fls", says=b"control character", status=2)
    with open("evil.bfbs", "wb") as file:
        file.write(compiled.replace(b"fieldname", evil_name).replace(b"Rednamed", b"R\x9b\xc2\x9bred2"))
    by = ("--schema", "e.fbs")
    check("cat", "--as", "json", *by, "t.fls", says=b"\\u001b", status=0)
    check("cat", "--as", "json", *by, "t.fls", says=b"\\u009b", status=0)
    check("select", *by, "t.fls", says=b"\\u009b", status=0)
    check("select", *by, "--fields", "fieldname", "--as", "csv", "t.fls", status=0)
    check("split", *by, "--by", "fieldname", "t.fls", "-o", "by", status=0)
    check("select", *by, "--where", b"fieldname == " + EVIL, "t.fls", says=b"fieldname", status=2)
    check("select", *by, "--fields", EVIL, "t.fls", says=b"e", status=2)
    check("info", *by, "--plot-field", EVIL, "t.fls", says=b"e", status=2)
    check("merge", *by, "--key", EVIL, "t.fls", "-o", "x9", status=2)
    check("split", *by, "--by", EVIL, "t.fls", "-o", "x10", status=2)
    check("cat", "--as", "json", "--schema", b"no" + EVIL, "t.fls")
    by = ("--schema", "evil.bfbs")
    check("cat", "--as", "json", *by, "t.fls", says=b"\\u009b", status=0)
    check("select", *by, "t.fls", says=b"\\u009b", status=0)
    check("info", *by, "t.fls", says=b"\\xc2\\x9b", status=0)
    check("split", *by, "--by", "colour", "t.fls", "-o", "by2", says=b"\\xc2\\x9b", status=0)
    for arguments in (("cat", "--as", "json", *by), ("select", *by), ("info", "--json", *by)):
        status, output = quietly(*arguments, "t.fls")
        if status != 0 or b"\xc2\x9b" in output or b"\x1b" in output:
            raise SystemExit(f"{arguments}: {status}, {output}")
        json.loads(output.splitlines()[0])
    status, output = quietly("cat", "--as", "json", "--schema", "e.fbs", "t.fls")
    if json.loads(output.splitlines()[0])["fieldname"] != WELL.decode():
        raise SystemExit("JSON changes a value that it escapes")
    with open("bad.jsonl", "wb") as file:
        file.write(b'{"' + WELL.replace(b"\r", b"") + b'":1}\n')
    check("write", "-o", "x11", "--from", "jsonl", "--schema", "e.fbs", "bad.jsonl", says=b"bad.jsonl")
    quietly("index", "t.fls", "--key", evil_name, "--schema", "evil.bfbs")
    check("info", "t.fls", says=b"t.fls", status=0)


usage_and_names()
lock_holder()
messages()
frame_streams()
schemas()
print(f"cli_terminal_test: {runs} runs, {failures} failures")
sys.exit(failures > 0)
