# SPDX-License-Identifier: Apache-2.0
"""Plants one fault per rule (and per way to break it) in a small tree and demands that the rule finds it there."""

import os
import tempfile

import rules

TAG = "// SPDX-License-Identifier: Apache-2.0\n// Purpose in one sentence.\n"
HASH_TAG = "# SPDX-License-Identifier: Apache-2.0\n"
CLEAN = {
    "README.md": "# Tandem\n\nText with a [link](hw/README.md).\n",
    "hw/README.md": "# hw\n\nText.\n",
    "driver/README.md": "# driver\n\nText.\n",
    "host/README.md": "# host\n\nText.\n",
    "sim/README.md": "# sim\n\nText.\n",
    "tests/README.md": "# tests\n\nText.\n",
    "hw/contract/word.hpp": TAG + "#pragma once\n",
    "hw/stage/step.hpp": TAG + '#pragma once\n#include "hw/contract/word.hpp"\n\nstruct State {\n'
                               "  State(const State&) = delete;\n};\n",
    "hw/leaf/loops.hpp": TAG + "#pragma once\n#include <cstdint>\n\nconstexpr int kSize = 4;\n\n"
                               "// A float here is a word, and so is a virtual while.\n"
                               "inline int sum(const int* values, int count) {\n  static const int kTable[4] = {1, 2, 3, 4};\n"
                               "  int total = 0;\nfixed:\n  for (int i = 0; i < 2 * kSize; ++i) {\n#pragma HLS PIPELINE II = 1\n"
                               "    total += values[i] + kTable[i % kSize];\n  }\nbounded:\n"
                               "  for (int i = 0; i < count; ++i) {\n#pragma HLS PIPELINE II = 1\n"
                               "#pragma HLS LOOP_TRIPCOUNT max = 8\n    total += values[i];\n  }\n  return total;\n}\n",
    "hw/leaf/fast_native.cpp": TAG + "#include <immintrin.h>\n\n#include <vector>\n\nstatic std::vector<int> cache;\n",
    "driver/card.hpp": TAG + '#pragma once\n#include "host/base/time.hpp"\n#include "hw/contract/word.hpp"\n',
    "host/base/time.hpp": TAG + "#pragma once\n// The word getenv and \"rand()\" in a comment harm nobody.\n",
    "host/ike/core.hpp": TAG + '#pragma once\n#include "driver/card.hpp"\n#include "host/base/time.hpp"\n',
    "host/app/main.cpp": TAG + '#include "host/ike/core.hpp"\n',
    "sim/CMakeLists.txt": HASH_TAG,
    "sim/tool.py": HASH_TAG + '"""Purpose."""\n',
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 120\n",
}
_UNFINISHED = "TO" + "DO"


def _function(loop):
    return f"inline void f(int n) {{\nonly:\n  {loop}\n}}\n"


# (rule, path, text): the file to plant; an empty text removes it.
PLANTED = (
    ("includes", "hw/stage/bad.hpp", TAG + '#include "host/base/time.hpp"\n'),
    ("includes", "host/base/bad.hpp", TAG + '#include "host/ike/core.hpp"\n'),
    ("includes", "driver/bad.cpp", TAG + '#include "host/ike/core.hpp"\n'),
    ("includes", "host/ike/bad.cpp", TAG + '#include "core.hpp"\n'),
    ("includes", "hw/contract/bad.hpp", TAG + '#include "hw/stage/step.hpp"\n'),
    ("headers", "host/ike/bad.cpp", "// No tag.\n"),
    ("headers", "host/ike/bad.hpp", TAG.split("\n")[0] + "\n#pragma once\n"),
    ("headers", "sim/CMakeLists.txt", "add_subdirectory(x)\n"),
    ("ambient", "host/ike/bad.cpp", TAG + "auto t = std::chrono::steady_clock::now();\n"),
    ("ambient", "host/ha/bad.cpp", TAG + "int x = rand();\n"),
    ("ambient", "host/sad/bad.cpp", TAG + "void f() { std::this_thread::sleep_for(d); }\n"),
    ("ambient", "host/wire/bad.cpp", TAG + 'const char* h = getenv("HOME");\n'),
    ("ambient", "host/ike/bad2.cpp", TAG + "auto t = time(nullptr);\n"),
    ("ambient", "driver/bad.cpp", TAG + "std::random_device device;\n"),
    ("length", "host/ike/bad.cpp", TAG + "// filler\n" * 600),
    ("top_level", "docs/notes.md", "# Notes\n\nText.\n"),
    ("top_level", "setup.cfg", "x\n"),
    ("names", "host/ike/BadName.cpp", TAG),
    ("whitespace", "host/ike/bad.cpp", TAG + "\tint x;\n"),
    ("whitespace", "sim/tool.py", HASH_TAG + '"""Purpose."""  \n'),
    ("readmes", "driver/README.md", ""),
    ("documents", "hw/README.md", "# hw\n\n## Empty\n\n## Full\n\nText.\n"),
    ("documents", "hw/README.md", "# hw\n\nText with a [link](gone.md).\n"),
    ("unfinished", "host/ike/bad.cpp", TAG + f"// {_UNFINISHED}: later\n"),
    ("unfinished", "hw/README.md", f"# hw\n\n{_UNFINISHED}\n"),
    ("synthesisable", "hw/leaf/bad.hpp", TAG + "int* p = new int;\n"),
    ("synthesisable", "hw/leaf/bad.hpp", TAG + "void* p = malloc(8);\n"),
    ("synthesisable", "hw/leaf/bad.hpp", TAG + "std::vector<int> v;\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "struct A { virtual void f(); };\n"),
    ("synthesisable", "hw/kernel/bad.cpp", TAG + "void f() { throw 1; }\n"),
    ("synthesisable", "hw/kernel/bad.cpp", TAG + "B* f(A* a) { return dynamic_cast<B*>(a); }\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "double f(int n);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline int f(int n) {\n  return n * 1.5;\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "int f(int (*step)(int));\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "using Step = int (*)(int);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "int f(int (&step)(int));\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "using Step = int (State::*)(int);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline int f(int n) {\n  return n;\n}\nauto step = &f;\n"),
    ("synthesisable", "hw/leaf/bad.hpp", TAG + "inline void f() {\n  _mm_sfence();\n}\n"),
    ("synthesisable", "hw/leaf/bad.hpp", TAG + "#include <immintrin.h>\n"),
    ("synthesisable", "hw/kernel/bad.cpp", TAG + "#include <vector>\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "void* p = ::operator new(4);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "template <typename T>\nT* f() {\n  return new T();\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline void f(int n) {\n  use(__builtin_alloca(n));\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline void f(int n) {\n  std::uint8_t octets[n + 1];\n  use(octets);\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline int f(int n) {\n  return std::sqrt(n);\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "int f(std::function<int()> step);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "int f(int n) {\n  return n * 0x1p3;\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "typedef int Step(int);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "using Step = int(int);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "auto step = [](auto self, int n) { return self(self, n); };\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "int f(int** rows);\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline int f(int step(int)) {\n  return step(3);\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "auto step = &State::next;\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "inline void f(int n) {\n  int rows[4][n];\n  use(rows);\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "union Word {\n  int a;\n};\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "int f(char* p) {\n  return *reinterpret_cast<int*>(p);\n}\n"),
    ("synthesisable", "hw/stage/bad.hpp", TAG + "#define EVER for (;;)\n"),
    ("recursion", "hw/stage/bad.hpp", TAG + "inline int f(int n) {\n  return n == 0 ? 0 : f(n - 1);\n}\n"),
    ("recursion", "hw/stage/bad.hpp", TAG + "int g(int n);\ninline int f(int n) {\n  return n == 0 ? 0 : g(n - 1);\n}\n"
                                             "inline int g(int n) {\n  return f(n);\n}\n"),
    ("recursion", "hw/stage/bad.hpp", TAG + "template <typename T>\nT g(T n);\ntemplate <typename T>\nT f(T n) {\n"
                                             "  return g<T>(n);\n}\ntemplate <typename T>\nT g(T n) {\n  return f<T>(n);\n}\n"),
    ("recursion", "hw/stage/bad.hpp", TAG + "struct A {\n  int f(A& other) {\n    return other.f(other);\n  }\n};\n"),
    ("recursion", "hw/stage/bad.hpp", TAG + "struct A {\n  int f(int n) {\n    return this->f(n - 1);\n  }\n};\n"),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("while (n != 0) {\n    --n;\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (int i = 0; i < n; ++i) {\n    use(i);\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (int i = n; i < 8; ++i) {\n    use(i);\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (;;) {\n    use(0);\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("do {\n    --n;\n  } while (n != 0);")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (int i = 0; i < 8 || n; ++i) {\n    use(i);\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("while (n != 0) {\n#pragma HLS LOOP_TRIPCOUNT min = 1\n    --n;\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (int i : all) {\n    use(i);\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (int i = 0; i < 8; ++i) {\n    i -= n;\n  }")),
    ("bounded_loops", "hw/stage/bad.hpp", TAG + _function("for (int i = 0; i < 8;) {\n    use(i);\n  }")),
    ("named_loops", "hw/stage/bad.hpp", TAG + "inline void f() {\n  for (int i = 0; i < 8; ++i) {\n    use(i);\n  }\n}\n"),
    ("named_loops", "hw/stage/bad.hpp", TAG + _function("for (int i = 0; i < 8; ++i) {\n    use(i);\n#pragma HLS PIPELINE II = 1\n  }")),
    ("kernel_state", "hw/stage/bad.hpp", TAG + "inline int f() {\n  static int calls = 0;\n  return ++calls;\n}\n"),
    ("kernel_state", "hw/stage/bad.hpp", TAG + "int calls = 0;\n"),
    ("kernel_state", "hw/kernel/bad.hpp", TAG + "static int calls[4];\n"),
    ("kernel_state", "hw/leaf/bad.hpp", TAG + "inline int f() {\n  static int calls[4];\n  return calls[0]++;\n}\n"),
    ("scripts", "sim/tool.py", HASH_TAG + "def f(:\n"),
    ("scripts", "sim/run", "#!/bin/sh\n" + HASH_TAG + "if true\n"),
    ("formatted", "host/ike/bad.cpp", TAG + "int   x ;\n"),
)


def _make(root, files):
    for path, text in files.items():
        if text:
            os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as target:
                target.write(text)


def run():
    """Returns the number of examples that were judged rightly and the list of those that were not."""
    by_name = {rule.__name__: rule for rule in rules.RULES}
    # A hidden file at the top stands for the formatter's settings; it is a known name.
    wrong, right = [], 0
    with tempfile.TemporaryDirectory() as root:
        _make(root, CLEAN)
        for name, rule in by_name.items():
            findings = rules.check(rules.Tree(root), rule)
            if findings:
                wrong.append(f"{name} objects to the clean tree: {findings[0]}")
            else:
                right += 1
    for name, path, text in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            _make(root, {**CLEAN, path: text})
            found = [finding for finding in rules.check(rules.Tree(root), by_name[name])
                     if finding[0].rstrip("/") in (path, path.split("/")[0])]
            if found:
                right += 1
            else:
                wrong.append(f"{name} misses what is planted in {path}")
    untested = set(by_name) - {name for name, _, _ in PLANTED}
    wrong += [f"{name} has no planted example" for name in sorted(untested)]
    return right, wrong
