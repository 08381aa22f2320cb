# SPDX-License-Identifier: Apache-2.0
"""Writes the kernels' processes and queues as C++ for a simulation that runs them side by side.

`wiring.py OUTPUT`: what each hw/kernel/*_top.cpp with DATAFLOW says between its pragmas becomes a struct: the top's
arguments, its queues with the depths of its STREAM pragmas, and its processes one by one. The streams between kernels get
the depths of the link file. So the simulation has no list of its own; a line of a top that is not understood ends this."""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LINK = os.path.join(ROOT, "hw", "shell", "connectivity", "u55c.cfg")
HEAD = """// SPDX-License-Identifier: Apache-2.0
// Made by tests/unit/hw/wiring.py from hw/kernel/*_top.cpp and the link file. Not to be edited.
#pragma once

#include <string>

#include "hw/kernel/classifier.hpp"
#include "hw/kernel/decrypt.hpp"
#include "hw/kernel/decrypt_end.hpp"
#include "hw/kernel/encrypt.hpp"

namespace tandem::card::test {

// The depth that a queue is made with. Tests plant others.
std::uint32_t queue_depth(const std::string& name, std::uint32_t written);
"""


def title(name):
    return "".join(word.capitalize() for word in name.split("_"))


def read_top(path):
    """The struct of a top, or nothing of one without DATAFLOW."""
    with open(path, encoding="utf-8") as source:
        text = source.read().replace("\\\n", " ")
    name, arguments, body = re.search(r'extern "C" void (\w+)\(([^)]*)\) \{\n(.*)\n\}', text, re.DOTALL).groups()
    if "#pragma HLS DATAFLOW" not in body:
        return None
    depths = dict(re.findall(r"#pragma HLS STREAM variable = (\w+) depth = (\d+)", body))
    code = re.sub(r"^\s*//.*\n|^#pragma.*\n", "", body, flags=re.MULTILINE)
    members, calls = [re.sub(r"\s+", " ", argument.strip()) for argument in arguments.split(",")], []
    queues = []
    for statement in (re.sub(r"\s+", " ", part.strip()) for part in code.split(";")):
        queue = re.fullmatch(r"(Stream<[\w:]+>) (\w+)", statement)
        call = re.fullmatch(r"(\w+)(?:<[\w:]+>)?\(.*\)", statement)
        if queue:
            queues.append((queue.group(1), queue.group(2), depths.pop(queue.group(2))))
        elif call:
            calls.append((call.group(1), statement))
        elif statement:
            raise ValueError(f"{path}: '{statement}' is no queue and no process")
    if depths or not calls:
        raise ValueError(f"{path}: {'STREAM pragmas of no queue: ' + ', '.join(depths) if depths else 'no process'}")
    lines = [f"\nstruct {title(name)} {{"]
    lines += [f"  {member};" for member in members]
    lines += [f'  {kind} {queue}{{queue_depth("{name}.{queue}", {depth})}};' for kind, queue, depth in queues]
    lines += ["", "  template <typename Network>", "  void start(Network& network) {"]
    lines += [f'    network.add("{name}.{number}.{process}", [this] {{ {call}; }});'
              for number, (process, call) in enumerate(calls)]
    return "\n".join([*lines, "  }", "};\n"])


def links():
    """The depths of the streams between kernels, by the end that writes them."""
    with open(LINK, encoding="utf-8") as source:
        joined = re.findall(r"^stream_connect=(\w+?)(?:_1)?\.(\w+):[\w.]+:(\d+)$", source.read(), re.MULTILINE)
    entries = "\n".join(f'    {{"{kernel}.{port}", {depth}}},' for kernel, port, depth in joined)
    return f"""
struct LinkDepth {{
  const char* stream;
  std::uint32_t depth;
}};
constexpr LinkDepth kLinkDepths[] = {{
{entries}
}};
"""


def main():
    tops = [top for top in map(read_top, sorted(glob.glob(os.path.join(ROOT, "hw", "kernel", "*_top.cpp")))) if top]
    with open(sys.argv[1], "w", encoding="utf-8") as output:
        output.write(HEAD + links() + "".join(tops) + "\n}  // namespace tandem::card::test\n")


if __name__ == "__main__":
    main()
