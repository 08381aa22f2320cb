# SPDX-License-Identifier: Apache-2.0
"""The rules for what an HLS compiler is given (hw/leaf, hw/stage, hw/kernel): each takes a Tree and yields findings.

They read C++ without its comments and literals, by pattern, not by grammar: what they miss a compiler for synthesis
finds, and what they find it would refuse or build badly."""

import re

FOLDERS = ("hw/leaf/", "hw/stage/", "hw/kernel/")
# A leaf's `_native` bodies are for processors only.
NATIVE_BODY = re.compile(r"_native\.(cpp|hpp)$")
# The stand-in for an HLS tool's own headers; it never reaches one.
STUB = "hw/kernel/hls_stub.hpp"

BANNED = (
    ("the heap", re.compile(
        r"\b(?:new|delete)\b|\b(?:malloc|calloc|realloc|free|aligned_alloc)\s*\(|\b(?:__builtin_)?alloca\w*\s*\(")),
    ("of a library, not among the names that kernel code may use", re.compile(
        r"\b(?:[fs]|sn)?printf\s*\(|\b(?:puts|exit|abort|assert)\s*\(|\bstd\s*::\s*(?!u?int(?:8|16|32|64)_t\b|size_t\b|nullptr_t\b|integral_constant\b|true_type\b|false_type\b|enable_if\b|"
        r"conditional\b|is_same\b)\w+")),
    ("a virtual function", re.compile(r"\bvirtual\b|\boverride\b")),
    ("an exception", re.compile(r"\b(?:throw|try|catch)\b")),
    ("run-time type information", re.compile(r"\b(?:dynamic_cast|typeid)\b")),
    ("floating point", re.compile(r"\b(?:float|double|half|_Float\d+x?|__fp16|__float128)\b|(?<![\w.])\d+\.\d*|(?<![\w.)\]])\.\d+|(?<![\w.])\d+[eE][+-]?\d+|"
                                  r"\b0[xX][\da-fA-F.]*[pP]")),
    ("a function pointer", re.compile(
        r"\(\s*(?:\w+::)?[*&]\s*(?:const\s+)?\w*(?:\[\w*\])?\s*\)\s*\(|"
        r"\btypedef\b[^;]*\)\s*;|\busing\s+\w+\s*=(?!\s*decltype)[^;(]*\([^;]*\)\s*;|\(\s*\*\s*this\s*\)\s*\(|"
        r"&\s*\w+::[a-z_]\w*\s*[;,)]|[(,]\s*[\w:]+\s+\w+\s*\((?:[\w:]+[\s*&]*(?:\w+)?,?\s*)*\)\s*[,)]")),
    ("a lambda", re.compile(r"(?<![\w\])])\s*\[(?:[&=]|this|\w+)?(?:,[^\]]*)?\]\s*(?:\([^)]*\)\s*(?:mutable\s*)?(?:->\s*\w+\s*)?)?\{")),
    ("a pointer to a pointer", re.compile(r"\w\s*\*\s*(?:const\s*)?\*\s*\w")),
    ("another type's octets", re.compile(r"\breinterpret_cast\b|\bunion\b")),
    ("a jump", re.compile(r"\b(?:goto|setjmp|longjmp)\b")),
    ("a processor's instruction", re.compile(r"\b(?:asm|__asm__)\b|\b_mm\d*_\w+|\b__builtin_ia32_\w+|\b__m\d+i?\b")),
    ("a thread", re.compile(r"\bthread_local\b")),
)
# Macros hide code from these rules: those that a tool's headers or a build want, and no others.
MACROS = {"AP_INT_MAX_W", "TANDEM_BUILD_ID"}
_ARRAY = re.compile(r"(?:^|[;{}])\s*(?!return\b|else\b|case\b|using\b|typedef\b|goto\b)(?:[\w:]+(?:<[^;{}]*>)?[\s&]+)+\w+"
                    r"\s*((?:\[[^\]]*\])+)\s*(?=[;={,])", re.MULTILINE)
HEADERS = re.compile(r'^[ ]*#[ ]*include[ ]*<(?!cstdint>|cstddef>|type_traits>|ap_int\.h>|hls_stream\.h>|ap_axi_sdata\.h>)'
                     r"([^>]+)>", re.MULTILINE)
DELETED = re.compile(r"=\s*delete\b")
_NOT_FUNCTIONS = {"if", "for", "while", "switch", "return", "sizeof", "static_assert", "alignas", "decltype", "defined"}
_FUNCTION = re.compile(r"(?P<scope>\b\w+::)?\b(?P<name>[A-Za-z_]\w*)\s*\(([^;{}()]|\([^;{}()]*\))*\)\s*(?:const\s*|"
                       r"noexcept\s*)*\{")


def _line_of(text, position):
    return text.count("\n", 0, position) + 1


def _paths(tree):
    return [path for path in tree.of_kind(".cpp", ".hpp", ".h", ".cc")
            if path.startswith(FOLDERS) and not NATIVE_BODY.search(path) and path != STUB]


def _spaces(found):
    return re.sub(r"[^\n]", " ", found.group(0))


def _code(tree, path):
    """The file's code without comments, literals and preprocessor lines (continued ones too)."""
    code = re.sub(r"^[ ]*#(?:[^\n]*\\\n)*[^\n]*", _spaces, tree.code(path), flags=re.MULTILINE)
    return DELETED.sub(_spaces, code)


def _block_end(code, start):
    """The place behind the brace that closes the block whose inside begins at `start`."""
    depth, end = 1, start
    while depth and end < len(code):
        depth += {"{": 1, "}": -1}.get(code[end], 0)
        end += 1
    return end


def _functions(code):
    """The function bodies of a file: (name, start, end)."""
    for found in _FUNCTION.finditer(code):
        if found.group("name") not in _NOT_FUNCTIONS:
            yield found.group("name"), found.end(), _block_end(code, found.end())


def synthesisable(tree):
    """kernel code has no heap, virtual function, exception, floating point, function pointer, intrinsic or foreign header"""
    for path in _paths(tree):
        code = _code(tree, path)
        for what, pattern in BANNED:
            for found in pattern.finditer(code):
                yield path, _line_of(code, found.start()), f"'{found.group(0).strip()}' is {what}: not for synthesis"
        known = {name for name, _, _ in _functions(code)}
        for found in re.finditer(r"=\s*&?\s*([a-z_]\w*)\s*;", code):
            if found.group(1) in known:
                yield path, _line_of(code, found.start()), f"'{found.group(1)}' is taken as a function pointer"
        for found in _ARRAY.finditer(code):
            for size in re.findall(r"\[([^\]]*)\]", found.group(1)):
                if size.strip() and not _constant(size):
                    yield path, _line_of(code, found.start(1)), f"an array of '{size}', no constant, is not for synthesis"
        text = tree.text(path)
        for found in re.finditer(r"^[ ]*#[ ]*define[ ]+(\w+)", text, re.MULTILINE):
            if found.group(1) not in MACROS:
                yield path, _line_of(text, found.start(1)), f"'{found.group(1)}' is a macro: it hides code from these rules"
        for found in HEADERS.finditer(text):
            yield path, _line_of(text, found.start(1)), f"<{found.group(1)}> is no header for synthesis"


def recursion(tree):
    """no function of kernel code calls itself, directly or through others"""
    bodies = [(name, path, _code(tree, path), start, end)
              for path in _paths(tree) for name, start, end in _functions(_code(tree, path))]
    known = {name for name, *_ in bodies}
    calls = {name: {} for name in known}
    for name, path, code, start, end in bodies:
        for found in re.finditer(r"(?<![\w.>:~])(?:(?:tandem::)?card::|::|this->)?([A-Za-z_]\w*)\s*(?:<[^;{}()]*>\s*)?\(",
                                 code[start:end]):
            if found.group(1) in known:
                calls[name].setdefault(found.group(1), (path, _line_of(code, start + found.start())))
        for found in re.finditer(rf"(?:\.|->|[\w]::){re.escape(name)}\s*\(", code[start:end]):
            calls[name].setdefault(name, (path, _line_of(code, start + found.start())))
    for name in sorted(known):
        reached, waiting = set(), [(callee, at) for callee, at in calls[name].items()]
        for callee, at in waiting:  # grows while it is read
            if callee == name:
                yield at[0], at[1], f"'{name}' comes back to itself here"
                break
            if callee not in reached:
                reached.add(callee)
                waiting += [(further, place) for further, place in calls[callee].items()]


_CONSTANT_WORD = re.compile(r"^(?:k[A-Z]\w*|[A-Z][A-Z0-9_]*|sizeof|std|u?int(?:8|16|32|64)_t|size_t|static_cast)$")


def _constant(expression):
    """Whether every name in an expression is a constant's (kSize, a template parameter in capitals, sizeof)."""
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r"\b(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*\b", " ", expression))
    return bool(expression.strip()) and all(_CONSTANT_WORD.match(word) for word in words)


def _bounded_for(head, body):
    """Whether a `for (...)` runs from a constant to a constant by its own steps alone; further conditions may only end it
    earlier."""
    parts = head.split(";")
    if len(parts) != 3:
        return False  # over a range: its size is not in sight
    counter = re.match(r"^[\w:\s<>]*?\b(\w+)\s*(?:=|\{)\s*([^{}]*)\}?$", parts[0].strip())
    if not counter or not _constant(counter.group(2)):
        return False
    name = counter.group(1)
    steps = rf"(?:\+\+|--)\s*{name}\b|\b{name}\s*(?:\+\+|--)|(?<!\.)\b{name}\s*(?:[-+*/%&|^]|<<|>>)?=(?!=)"
    if not re.search(steps, parts[2]) or re.search(steps, body):
        return False
    for condition in parts[1].split("&&"):
        limit = re.match(rf"^\s*{counter.group(1)}\s*(?:<=?|>=?|!=)\s*([^|?]+)$", condition)
        if limit and _constant(limit.group(1)):
            return True
    return False


def _parenthesis_end(code, start):
    depth, end = 1, start
    while depth and end < len(code):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    return end


def _loops(code):
    """The loops of a file: (keyword, head, start, start of the body, end of the body)."""
    ends_of_do = set()
    for found in re.finditer(r"\b(for|while|do)\b", code):
        if found.start() in ends_of_do:
            continue
        if found.group(1) == "do":
            inside = code.index("{", found.end()) + 1
            end = _block_end(code, inside)
            tail = re.match(r"\s*while\b", code[end:])
            if tail:
                ends_of_do.add(end + tail.end() - len("while"))
            yield "do", "", found.start(), inside, end
            continue
        head = code.index("(", found.end()) + 1
        head_end = _parenthesis_end(code, head)
        braces = re.match(r"\s*\{", code[head_end:])
        inside = head_end + (braces.end() if braces else 0)
        yield found.group(1), code[head:head_end - 1], found.start(), inside, _block_end(code, inside) if braces else inside


def bounded_loops(tree):
    """each loop of kernel code has a constant bound or, first in its body, a LOOP_TRIPCOUNT pragma with its maximum"""
    for path in _paths(tree):
        code, text = _code(tree, path), tree.text(path)
        for keyword, head, start, inside, end in _loops(code):
            body = code[inside:max(end, code.find(";", inside))]
            if keyword == "for" and _bounded_for(head, body):
                continue
            pragmas = re.match(r"(?:[ \t]*(?://[^\n]*)?\n(?:[ ]*#pragma[^\n]*)?)+", text[inside:])
            count = re.search(r"#pragma HLS LOOP_TRIPCOUNT\b[^\n]*\bmax\s*=\s*(\w+)", pragmas.group(0) if pragmas else "",
                              re.IGNORECASE)
            if not count:
                yield path, _line_of(code, start), f"'{keyword}' has no constant bound and no LOOP_TRIPCOUNT with a max"


def named_loops(tree):
    """each loop of kernel code has a label of its own, and a PIPELINE or UNROLL pragma is the first line inside"""
    for path in _paths(tree):
        code, text = _code(tree, path), tree.text(path)
        seen = {}
        for keyword, _, start, inside, end in _loops(code):
            label = re.search(r"(\w+):\s*$", code[:start])
            if not label or label.group(1) in ("default", "public", "private"):
                yield path, _line_of(code, start), f"'{keyword}' has no name"
            elif label.group(1) in seen:
                yield path, _line_of(code, start), f"'{label.group(1)}' names the loop in line {seen[label.group(1)]} too"
            else:
                seen[label.group(1)] = _line_of(code, start)
            body = text[inside:end]
            nested = min((at for _, _, at, _, _ in _loops(code[inside:end])), default=len(body))
            for found in re.finditer(r"#pragma HLS (?:PIPELINE|UNROLL)\b", body[:nested], re.IGNORECASE):
                before = re.sub(r"//[^\n]*|#pragma HLS[^\n]*", "", body[:found.start()])
                if before.strip():
                    yield path, _line_of(text, inside + found.start()), "this pragma must be the first line of its loop"


def kernel_state(tree):
    """only the wrappers in hw/kernel hold state of their own: elsewhere `static` is for constants and functions"""
    for path in _paths(tree):
        code = _code(tree, path)
        for found in re.finditer(r"\bstatic\b(?!_)\s+(?!const\b|constexpr\b|inline\b)([^;{(]*)([;{(=])", code):
            if found.group(2) != "(" and not path.startswith("hw/kernel/"):
                yield path, _line_of(code, found.start()), f"'static {found.group(1).strip()}' keeps state in a core"
        for found in re.finditer(r"^(?:inline\s+|static\s+)?(?!const|using\b|typedef\b|struct\b|class\b|enum\b|union\b|extern\b|"
                                 r"static_assert\b|namespace\b|template\b|friend\b)[\w:]+(?:<[^;()]*>)?[ *&]+(\w+)"
                                 r"(?:\[[^\]]*\])*\s*(?:=[^;]*|\{[^;]*\})?;", code, re.MULTILINE):
            yield path, _line_of(code, found.start()), f"'{found.group(1)}' is a variable of all functions"


RULES = (synthesisable, recursion, bounded_loops, named_loops, kernel_state)
