#!/usr/bin/env python3
"""An independent reader of the packages we write: shares no line with the program.

usage: read_package.py DIRECTORY REFERENCE EXPECTED_STATE ISSUE_KEY
Reads the package REFERENCE (ENG + 17 characters) in DIRECTORY, checks names, control counts,
references, the ZIP and its XML, and that the answer for ISSUE_KEY says EXPECTED_STATE.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
import zipfile


def segments(text):
    """Splits an interchange with the default service characters."""
    found, element, component, elements, components = [], [], [], [], []
    current, released = "", False
    for character in text:
        if released:
            current, released = current + character, False
        elif character == "?":
            released = True
        elif character in ":+'":
            components.append(current)
            current = ""
            if character in "+'":
                elements.append(components)
                components = []
            if character == "'":
                found.append(elements)
                elements = []
        else:
            current += character
    assert not current and not released and not elements, "the interchange does not end in a terminator"
    return found


def main():
    directory, reference, state, key = sys.argv[1:]
    parts = sorted(name for name in os.listdir(directory) if name.startswith(reference))
    for name in parts:
        assert re.fullmatch(r"ENG\d{12}[0-9A-Z]{5}\d{3}\d{3}", name), name
    total = int(parts[0][20:23])
    assert len(parts) == total, (parts, total)
    assert [int(name[23:26]) for name in parts] == list(range(1, total + 1)), parts

    with open(os.path.join(directory, parts[0]), "rb") as file:
        read = segments(file.read().decode("latin-1"))
    tags = [segment[0][0] for segment in read]
    assert tags[:3] == ["UNB", "UNH", "MID"] and tags[-3:] == ["TOT", "UNT", "UNZ"], tags
    by_tag = {segment[0][0]: segment for segment in read}
    assert by_tag["UNB"][1] == ["UNOC", "1"], by_tag["UNB"]
    assert by_tag["UNH"][2][:2] == ["ENGDAT", "002"], by_tag["UNH"]
    assert by_tag["MID"][1][0] == reference[3:], by_tag["MID"]
    assert int(by_tag["UNT"][1][0]) == len(tags) - 2, "UNT counts from UNH to UNT"
    assert by_tag["UNT"][2] == by_tag["UNH"][1], "message reference"
    assert by_tag["UNZ"][1] == ["1"] and by_tag["UNZ"][2] == by_tag["UNB"][5], "control reference"
    assert int(by_tag["TOT"][1][0]) == total == 1 + tags.count("EFC"), "TOT"

    states = {}
    for name in parts[1:]:
        with zipfile.ZipFile(os.path.join(directory, name)) as archive:
            assert archive.testzip() is None
            members = archive.namelist()
            assert len(set(members)) == len(members), members
            for member in members:
                if not re.fullmatch(r"(\./)?[^/]+\.xml", member):
                    continue
                root = ElementTree.fromstring(archive.read(member))
                assert root.tag == "MSR-ISSUE", root.tag
                issue = root.find("ISSUES/ISSUE")
                own = issue.find("COMPANY-ISSUE-INFOS/COMPANY-ISSUE-INFO")
                assert own.findtext("TRANSACTION-ID").startswith(reference[3:])
                for document in issue.iter("XDOC"):
                    assert document.findtext("URL") in members, document.findtext("URL")
                current = "ISSUE-PROPERTIES/ISSUE-CURRENT-STATE/ISSUE-STATE"
                states[own.findtext("ISSUE-ID")] = issue.findtext(current)
    assert states.get(key) == state, states
    print(f"{reference}: {total} parts, {len(tags)} segments, issues {states}: accepted")


main()
