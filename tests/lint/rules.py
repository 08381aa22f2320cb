# SPDX-License-Identifier: Apache-2.0
"""The rules: each takes a Tree and yields findings, (path, line, text). Line 0 speaks of the whole file."""

import ast
import os
import re
import shutil
import subprocess
from functools import lru_cache

import synthesis

LICENCE = "SPDX-License-Identifier: Apache-2.0"
LINES_MAX = 600
CPP = (".cpp", ".hpp", ".h", ".cc")
TAGGED = CPP + (".py", ".sh", ".cmake", ".v", ".sv", ".capnp", ".pml", ".toml", ".yml", ".yaml", ".hls")
CLANG_FORMAT_MAJOR = 14

TOP_FOLDERS = ("hw", "driver", "host", "sim", "tests", ".ci")
TOP_FILES = ("README.md", "CONTRIBUTING.md", "LICENSE", "CMakeLists.txt", "CMakePresets.json", "Makefile.hls",
             ".clang-format", ".clang-tidy", ".gitignore", ".gitattributes")
WITH_README = ("", "hw", "driver", "host", "sim", "tests")

# Whom a layer may include besides itself. `driver` stands on host/base; hw stands alone.
_HOST_ORDER = ("base", "crypto", "wire", "sad", "ike", "ha", "admin", "app")
BELOW = {
    "hw/contract": (),
    "hw/leaf": ("hw/contract",),
    "hw/stage": ("hw/contract", "hw/leaf"),
    "hw/kernel": ("hw/contract", "hw/leaf", "hw/stage"),
    "hw/native": ("hw/contract", "hw/leaf", "hw/stage"),
    "driver": ("hw/contract", "hw/native", "host/base"),
}
for _place, _layer in enumerate(_HOST_ORDER):
    BELOW[f"host/{_layer}"] = tuple(f"host/{name}" for name in _HOST_ORDER[:_place])
    if _place >= _HOST_ORDER.index("sad"):
        BELOW[f"host/{_layer}"] += ("driver", "hw/contract")

# Where the world outside may be touched: composition roots, the card process, simulators and tests.
AMBIENT_ALLOWED = ("host/app/", "driver/softcard/", "driver/soft/", "driver/xrt/", "sim/", "tests/", "host/base/os_random.")
AMBIENT = re.compile(
    r"\b(?:system_clock|steady_clock|high_resolution_clock)::now\b|\b(?:clock_gettime|gettimeofday|getrandom|nanosleep|"
    r"clock_nanosleep|usleep|getenv|secure_getenv|random_device|mt19937(?:_64)?|sleep_for|sleep_until|RAND_bytes|"
    r"RAND_priv_bytes|this_thread::sleep)\b|(?<![\w.>:])(?:std::)?(?:s?rand|random|sleep|time)\s*\((?=\s*(?:\)|\d|nullptr|NULL|&))")

# Spelled in halves so that the rule does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


class Tree:
    """The files under `root`, as git sees them where it can, with their text read once."""

    def __init__(self, root, allowed=()):
        self.root = root
        # {(rule, path)}: findings that are accepted, each with its reason in allowed.txt.
        self.allowed = set(allowed)
        self.used = set()
        self.paths = sorted(self._list())

    def _list(self):
        done = subprocess.run(["git", "-C", self.root, "ls-files", "-co", "--exclude-standard", "-z"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False) if os.path.exists(
                                  os.path.join(self.root, ".git")) else None
        if done and done.returncode == 0:
            return [path for path in done.stdout.decode().split("\0")
                    if path and os.path.isfile(os.path.join(self.root, path))]
        return [os.path.relpath(os.path.join(folder, name), self.root)
                for folder, _, names in os.walk(self.root) for name in names]

    @lru_cache(maxsize=None)
    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as source:
            return source.read()

    def lines(self, path):
        return self.text(path).splitlines()

    def of_kind(self, *suffixes):
        return [path for path in self.paths if path.endswith(suffixes)]

    def scripts(self, word):
        """Files without suffix whose first line names an interpreter with `word` in it."""
        return [path for path in self.paths if "." not in os.path.basename(path)
                and self.text(path).startswith("#!") and word in self.text(path).split("\n", 1)[0]]

    @lru_cache(maxsize=None)
    def code(self, path):
        """C++ text with comments and literals blanked, line numbers kept."""
        return _COMMENT_OR_LITERAL.sub(_blank, self.text(path))


_COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)


def _blank(found):
    return re.sub(r"[^\n]", " ", found.group(0))


def _line_of(text, position):
    return text.count("\n", 0, position) + 1


def layer_of(path):
    """The layer that a file or an include belongs to, '' when it is outside all layers."""
    parts = path.split("/")
    return "driver" if parts[0] == "driver" else "/".join(parts[:2]) if len(parts) > 2 and "/".join(
        parts[:2]) in BELOW else ""


def includes(tree):
    """includes point downwards through the layers, and name files from the root of the tree"""
    pattern = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
    known = set(tree.paths)
    for path in tree.of_kind(*CPP):
        own = layer_of(path)
        for found in pattern.finditer(tree.text(path)):
            name, line = found.group(1), _line_of(tree.text(path), found.start(1))
            if path.startswith("tests/") and os.path.join(os.path.dirname(path), name) in known:
                continue  # a test's own helper
            if name not in known and not name.endswith(".capnp.h") and path.split("/")[0] in TOP_FOLDERS:
                yield path, line, f'"{name}" is no file of the tree: include from its root'
                continue
            target = layer_of(name)
            if own.startswith("hw/") and not name.startswith("hw/"):
                yield path, line, f'hw includes "{name}" from outside hw'
            elif own and name.split("/")[0] in ("sim", "tests"):
                yield path, line, f'{own} includes "{name}": products never include {name.split("/")[0]}'
            elif own and target and target != own and target not in BELOW[own]:
                yield path, line, f'{own} includes "{name}": {target} is not below it'


def headers(tree):
    """every source file begins with the licence tag; C++ and Python files say their purpose next"""
    paths = (set(tree.of_kind(*TAGGED)) | set(tree.scripts("sh")) | set(tree.scripts("python"))
             | {path for path in tree.paths if os.path.basename(path) == "CMakeLists.txt"})
    known = set(tree.paths)
    for path in sorted(paths):
        lines = tree.lines(path)
        at = next((number for number, line in enumerate(lines[:3]) if LICENCE in line), None)
        if at is None:
            yield path, 1, f"no '{LICENCE}' in the first lines"
        elif path.endswith(".cpp") and path[:-4] + ".hpp" in known:
            continue  # its header says it
        elif path.endswith(CPP + (".py",)):
            purpose = lines[at + 1].strip() if len(lines) > at + 1 else ""
            if not re.match(r'("""|#)\s*\w' if path.endswith(".py") else r"(//|/\*)\s*\w", purpose):
                yield path, at + 2, "no sentence of purpose under the licence tag"


def ambient(tree):
    """no ambient time, randomness, sleep or environment outside the places that may touch the world"""
    for path in tree.of_kind(*CPP):
        if path.startswith(AMBIENT_ALLOWED):
            continue
        for found in AMBIENT.finditer(tree.code(path)):
            yield path, _line_of(tree.code(path), found.start()), f"'{found.group(0).strip()}': take it from outside"


def length(tree):
    """no source file is longer than 600 lines"""
    for path in tree.of_kind(*CPP, ".py", ".v", ".sv", ".pml", ".capnp"):
        count = len(tree.lines(path))
        if count > LINES_MAX:
            yield path, 0, f"{count} lines, at most {LINES_MAX}"


def top_level(tree):
    """only the known names stand at the top of the tree"""
    for name in sorted({path.split("/")[0] + ("/" if "/" in path else "") for path in tree.paths}):
        if name.rstrip("/") not in (TOP_FOLDERS if name.endswith("/") else TOP_FILES):
            yield name, 0, "not a known top-level name"


def names(tree):
    """files and folders of code have names in snake_case"""
    good = re.compile(r"^[a-z0-9_.\-]+$")
    for path in tree.of_kind(*CPP, ".py"):
        for part in path.split("/"):
            if not good.match(part):
                yield path, 0, f"'{part}' is not snake_case"


def whitespace(tree):
    """no tabs, no spaces at line ends, one newline at the end of a file"""
    for path in tree.of_kind(*TAGGED, ".md", "CMakeLists.txt"):
        text = tree.text(path)
        tabs_needed = path.endswith(".hls")
        for number, line in enumerate(text.split("\n"), 1):
            if "\t" in line and not tabs_needed:
                yield path, number, "a tab"
            if line != line.rstrip(" \t\r"):
                yield path, number, "white space at the end of the line"
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield path, 0, "must end with exactly one newline"


def readmes(tree):
    """a README stands at the root and in each top folder"""
    present = set(tree.paths)
    for folder in WITH_README:
        if any(path.startswith(folder) for path in present) and os.path.join(folder, "README.md") not in present:
            yield os.path.join(folder, "README.md"), 0, "missing"


def documents(tree):
    """documents have no empty section and no broken link to a file"""
    for path in tree.of_kind(".md"):
        lines, fenced, last = tree.lines(path), False, None
        for number, line in enumerate([*lines, "# end"], 1):
            if line.startswith("```"):
                fenced = not fenced
            heading = None if fenced else re.match(r"(#+) ", line)
            if heading:
                if last and len(heading.group(1)) <= last[1]:
                    yield path, last[0], "an empty section"
                last = (number, len(heading.group(1)))
            elif line.strip():
                last = None
        for number, line in enumerate(lines, 1):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if not re.match(r"[a-z]+:", target) and not os.path.exists(
                        os.path.join(tree.root, os.path.dirname(path), target)):
                    yield path, number, f"the link to '{target}' leads nowhere"


def unfinished(tree):
    """nothing is marked as unfinished"""
    for path in tree.paths:
        if path.endswith((*TAGGED, ".md", "CMakeLists.txt", "run")):
            for number, line in enumerate(tree.lines(path), 1):
                if UNFINISHED.search(line):
                    yield path, number, f"'{UNFINISHED.search(line).group(0)}'"


def scripts(tree):
    """Python and shell scripts are at least valid programs"""
    for path in [*tree.of_kind(".py"), *tree.scripts("python")]:
        try:
            ast.parse(tree.text(path), path)
        except SyntaxError as problem:
            yield path, problem.lineno or 0, problem.msg
    for path in [*tree.of_kind(".sh"), *tree.scripts("sh")]:
        done = subprocess.run(["sh", "-n", os.path.join(tree.root, path)], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            yield path, 0, done.stderr.strip()


def formatted(tree):
    """C++ is formatted by clang-format 14"""
    tool = shutil.which(f"clang-format-{CLANG_FORMAT_MAJOR}") or shutil.which("clang-format")
    if tool is None:
        yield "", 0, "clang-format is not installed (host/packaging/install-deps lint)"
        return
    version = subprocess.run([tool, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    if f"version {CLANG_FORMAT_MAJOR}." not in version:
        yield "", 0, f"clang-format {CLANG_FORMAT_MAJOR} is wanted, this is {version.strip()}"
        return
    paths = tree.of_kind(*CPP)
    for start in range(0, len(paths), 100):
        done = subprocess.run([tool, "--dry-run", "--Werror", "--ferror-limit=1", *paths[start:start + 100]],
                              cwd=tree.root, stderr=subprocess.PIPE, text=True, check=False)
        for found in re.finditer(r"^(\S+?):(\d+):\d+: error: .*clang-format", done.stderr, re.MULTILINE):
            yield found.group(1), int(found.group(2)), f"run {os.path.basename(tool)} -i"


RULES = (includes, headers, ambient, length, top_level, names, whitespace, readmes, documents, unfinished,
         *synthesis.RULES, scripts, formatted)


def check(tree, rule):
    """The findings of one rule that are not in the list of accepted ones."""
    findings = []
    for path, line, text in rule(tree):
        if (rule.__name__, path) in tree.allowed:
            tree.used.add((rule.__name__, path))
        else:
            findings.append((path, line, text))
    return findings
