"""Files that are no YAML, no project or no list: the error names the file and the line."""

from pathlib import Path

import pytest

from cdp_pipeline.config.loader import read_project
from cdp_pipeline_tests.config.projects import SHOP, mistakes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "project.yaml:1: is empty: there is no value in the file."),
        ("# only this\n", "project.yaml:1: is empty: there is no value in the file."),
        ("- a\n", "project.yaml:1: is not a project: it must be a mapping."),
        ("\nshop", "project.yaml:2: is not a project: it must be a mapping."),
        ("name: shop\nsources:\n\tweb: {}\n", "project.yaml:3: is not YAML: the line begins with a tab. Indent with"),
        ("name: shop\nstart: a: b\n", "project.yaml:2: is not YAML: mapping values are not allowed in this context."),
        (
            "name: [a,\n\n\n",
            "project.yaml:4: is not YAML: did not find expected node content.",
        ),
        ("name: äöü\n\nb: a\x01\n\n", "project.yaml:3: is not YAML: it has a control character."),
        (
            "name: a\n--- \nname: b\n",
            "project.yaml:2: is not YAML: but found another document, in what begins on line 1.",
        ),
        ("name: [a\n\n\n", "project.yaml:4: is not YAML: did not find expected ',' or ']', in what begins on line 1."),
        ("name: *a\n", "project.yaml:1: is not YAML: found undefined alias."),
        ("[" * 60 + "]" * 60, "project.yaml:1: " + "[0]" * 50 + ": is nested more than 50 levels deep."),
        ("[" * 5000, "project.yaml:1: is not YAML"),
    ],
)
def test_a_file_that_is_no_project_says_where(tmp_path: Path, text: str, message: str) -> None:
    (found, *_) = mistakes(tmp_path, text)
    assert found.startswith(message)


def test_a_folder_without_a_project_says_so(tmp_path: Path) -> None:
    project, (error,) = read_project(tmp_path, {})
    assert project is None
    assert str(error).startswith(f"project.yaml: is not there: {tmp_path} has no such file.")


def test_a_file_in_another_encoding_says_where(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_bytes("name: shop\nwarehouse: Zürich".encode("latin-1"))
    _, (error,) = read_project(tmp_path, {})
    assert str(error) == "project.yaml:2: is not UTF-8 text. Save the file as UTF-8."


def test_aliases_that_stand_for_more_than_a_computer_holds_are_refused(tmp_path: Path) -> None:
    doubled = "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    (found, *_) = mistakes(tmp_path, f"a0: &a0 [x, x]\n{doubled}")
    assert found == "project.yaml:1: holds more than 100,000 values, those of aliases among them."


LIST_FILES = {
    "a pattern that matches nothing": (
        "no/*.yaml",
        {},
        "project.yaml:26: …attributes.files: 'no/*.yaml' matches no file.",
    ),
    "a pattern outside": (
        "/etc/*",
        {},
        "project.yaml:26: …attributes.files: '/etc/*' is not a pattern of files: Non-rel",
    ),
    "a pattern that is no text": ("5", {}, "project.yaml:26: …attributes.files: is not a text."),
    "a file that is no YAML": ("a.yaml", {"a.yaml": "- id: ["}, "a.yaml:1: …attributes: is not YAML: did not find"),
    "an empty file": ("a.yaml", {"a.yaml": ""}, "a.yaml:1: …attributes: is empty: there is no value in the file."),
    "a file of something else": (
        "a.yaml",
        {"a.yaml": "- x"},
        "a.yaml:1: …attributes[0]: must be a mapping of keys, and 'x'",
    ),
    "a key beside files": ("a.yaml, id: b", {"a.yaml": "[]"}, "project.yaml:26: …attributes: has id beside `files`."),
}


def test_a_file_that_could_not_be_read_may_declare_what_is_missing(tmp_path: Path) -> None:
    inline = SHOP[SHOP.index("    identifiers:") : SHOP.index("    stitching:")]
    text = SHOP.replace(inline, "    identifiers: {files: identifiers/*.yaml}\n")
    files = {"identifiers/1.yaml": "- type: [", "identifiers/2.yaml": "- type: crm_id\n", "identifiers/3.yaml": ""}
    found = mistakes(tmp_path, text, files)
    assert [mistake.partition(": ")[0] for mistake in found] == ["identifiers/1.yaml:1", "identifiers/3.yaml:1"]


@pytest.mark.parametrize(("pattern", "files", "message"), LIST_FILES.values(), ids=LIST_FILES.keys())
def test_a_list_in_files_says_what_is_wrong_with_them(
    tmp_path: Path, pattern: str, files: dict[str, str], message: str
) -> None:
    inline = SHOP[SHOP.index("    attributes:") :]
    (found,) = mistakes(tmp_path, SHOP.replace(inline, f"    attributes: {{files: {pattern}}}\n"), files)
    assert found.replace("entities.customer.", "…").startswith(message)
