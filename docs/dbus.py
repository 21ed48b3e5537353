#!/usr/bin/env python3
"""Prints docs/dbus.md, made of the interfaces under dbus/ and of the comments in them.

A comment belongs to the element behind it. In it, text is a paragraph; a line that begins with
"- " is an item of a list; "Unit:", "Errors:" and "Rights:" each begin a statement of their own.
Every member has Rights, and every method has Errors; without them this fails.
usage: dbus.py > dbus.md   (`make docs`)
"""
import collections
import pathlib
import re
import textwrap
import xml.etree.ElementTree as ElementTree

INTERFACES = ["Agent1", "Session1", "Player1", "Lifecycle1", "Monitor1"]
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
CHANGES = {"true": "announced", "false": "not announced", "const": "never"}
LABELS = ("Unit", "Errors", "Rights")

HEAD = """# The D-Bus interfaces

Made by `make docs` from `dbus/*.xml`; change it there. The bus name is `tv.playhead.Agent1`, on the
system bus. Types are those of D-Bus: s string, b boolean, d double, i 32-bit and x 64-bit integer,
u and t the same without a sign, o object path, a{sv} dictionary. How the parts play together stands
in [behaviour.md](behaviour.md), and which of them a player should use in
[integrating-a-player.md](integrating-a-player.md)."""


class Comment:
    """What a comment says, in its parts."""

    def __init__(self, text):
        self.text, self.items, self.labels = "", [], {}
        into = None
        for line in (line.strip() for line in text.splitlines()):
            label, colon, rest = line.partition(":")
            if colon and label in LABELS:
                into = label
                self.labels[label] = rest.strip()
            elif line.startswith("- "):
                into = "item"
                self.items.append(line[2:])
            elif into == "item":
                self.items[-1] += " " + line
            elif into:
                self.labels[into] += " " + line
            else:
                self.text = f"{self.text} {line}".strip()

    def label(self, name, of):
        if not self.labels.get(name):
            raise SystemExit(f"{of}: its comment does not say '{name}:'")
        return self.labels[name].rstrip(".")


def documented(parent):
    """The elements below `parent`, each with the comment before it."""
    comment = None
    for child in parent:
        if child.tag is ElementTree.Comment:
            comment = Comment(child.text)
        else:
            if comment is None and child.tag not in ("arg", "annotation"):
                raise SystemExit(f"{child.tag} {child.get('name')}: there is no comment")
            yield child, comment
            comment = None


def marked(text):
    """Names in the way of code, in text that was written for a terminal."""
    names = r"(tv\.playhead\.\w+(?:\.\w+)*|org\.freedesktop\.\w+(?:\.\w+)*|/tv/playhead/[\w/]+)"
    return re.sub(names, r"`\1`", text)


def item(text):
    """`key (type): meaning`, the keys in the way of code."""
    keys, colon, rest = text.partition(": ")
    keys = re.sub(r"(\w+)( \([^)]*\))?", lambda m: f"`{m[1]}`{m[2] or ''}", keys)
    return f"{keys}{colon}{marked(rest)}"


def arguments(member, direction):
    found = [a for a in member.findall("arg") if a.get("direction", "in") == direction]
    return ", ".join(f"{a.get('type')} {a.get('name')}" for a in found)


def heading(member):
    out = arguments(member, "out")
    return f"`{member.get('name')}({arguments(member, 'in')}){' -> ' + out if out else ''}`"


def paragraph(text):
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def bullet(text):
    return textwrap.wrap(f"- {text}", 100, subsequent_indent="  ", break_long_words=False,
                         break_on_hyphens=False)


def statements(members):
    """What each member says of errors and rights, and what most say, to be said once."""
    kind = members[0][0].tag
    labels = ("Errors", "Rights") if kind == "method" else ("Rights",)
    each = [{label: comment.label(label, f"{kind} {member.get('name')}") for label in labels}
            for member, comment in members]
    usual = {}
    for label in labels:
        value, times = collections.Counter(said[label] for said in each).most_common(1)[0]
        if times > 1 and times * 2 > len(each):
            usual[label] = value
    return each, usual


def in_full(members):
    """Methods or signals."""
    each, usual = statements(members)
    lines = []
    if usual:
        lines += ["", "Where nothing else is said:", ""]
        for label, value in usual.items():
            lines += bullet(f"{label}: {value}")
    for (member, comment), said in zip(members, each):
        lines += ["", f"#### {heading(member)}", ""] + paragraph(marked(comment.text))
        more = [item(i) for i in comment.items]
        more += [f"{label}: {value}" for label, value in said.items() if usual.get(label) != value]
        if more:
            lines.append("")
        for text in more:
            lines += bullet(text)
    return lines


def properties(members):
    rights = {comment.label("Rights", f"property {p.get('name')}") for p, comment in members}
    if len(rights) != 1:
        raise SystemExit("the properties of an interface have one statement of rights")
    lines = [""] + paragraph(f"All are read-only. Rights: {rights.pop()}. Change: whether "
                             "`PropertiesChanged` announces a new value.")
    lines += ["", "| property | type | unit | change | what |", "|---|---|---|---|---|"]
    for member, comment in members:
        emits = next(a.get("value") for a in member.findall("annotation") if a.get("name") == EMITS)
        unit = comment.labels.get("Unit", "").rstrip(".")
        lines.append(f"| `{member.get('name')}` | {member.get('type')} | {unit} | {CHANGES[emits]} "
                     f"| {marked(comment.text)} |")
    return lines


def chapter(path):
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    (interface, comment), = documented(ElementTree.parse(path, parser).getroot())
    lines = ["", f"## {interface.get('name')}", ""] + paragraph(marked(comment.text))
    if comment.items:
        lines.append("")
    for text in comment.items:
        lines += bullet(item(text))
    members = list(documented(interface))
    for kind, title in (("method", "Methods"), ("property", "Properties"), ("signal", "Signals")):
        these = [(member, said) for member, said in members if member.tag == kind]
        if these:
            lines += ["", f"### {title}"]
            lines += properties(these) if kind == "property" else in_full(these)
    return lines


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "dbus"
    lines = HEAD.splitlines()
    for name in INTERFACES:
        lines += chapter(folder / f"tv.playhead.{name}.xml")
    print("\n".join(lines))


main()
