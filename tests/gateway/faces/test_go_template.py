"""Go's templates, as Ollama's models have them."""

from typing import Any

import pytest

from inglenook.gateway.faces.go_template import GoTemplate
from inglenook.kit.errors import BadInput

CHATML = """{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}<|im_start|>user
{{ .Prompt }}<|im_end|>
<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
LLAMA3 = """{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|start|>user<|end|>

{{ .Content }}<|eot|>{{ if $last }}<|start|>assistant<|end|>

{{ end }}
{{- else if eq .Role "system" }}<|start|>system<|end|>

{{ .Content }}<|eot|>
{{- end }}
{{- end }}"""
VALUES: dict[str, Any] = {
    "System": "Be brief.",
    "Prompt": "Hi",
    "Suffix": "",
    "Messages": [{"Role": "system", "Content": "Be brief."}, {"Role": "user", "Content": "Hi"}],
    "Tools": [],
    "Think": False,
}


def render(text: str, **more: Any) -> str:
    return GoTemplate(text).render({**VALUES, **more})


def test_the_templates_of_known_families() -> None:
    assert render(CHATML) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render(CHATML, System="").startswith("<|im_start|>user")
    assert render(LLAMA3) == (
        "<|start|>system<|end|>\n\nBe brief.<|eot|><|start|>user<|end|>\n\nHi<|eot|><|start|>assistant<|end|>\n\n"
    )
    assert GoTemplate(LLAMA3).uses >= {"Messages", "Role"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain", "plain"),
        ("{{ .Prompt }}", "Hi"),
        ("a {{- /* why */ -}} b", "ab"),
        ("a  {{- .Prompt -}}  b", "aHib"),
        ('{{ "a\\n\\"b" }}{{ `c\\n` }}', 'a\n"bc\\n'),
        ("{{ if and .System (not .Tools) }}y{{ else }}n{{ end }}", "y"),
        ('{{ if or .Tools (eq .Prompt "x" "Hi") }}y{{ end }}', "y"),
        ("{{ if .Tools }}t{{ else if .Think }}h{{ else }}n{{ end }}", "n"),
        ("{{ with .System }}{{ . }}{{ $.Prompt }}{{ end }}", "Be brief.Hi"),
        ("{{ with .Tools }}t{{ else }}none{{ end }}", "none"),
        ("{{ range .Messages }}{{ .Role }},{{ end }}", "system,user,"),
        ("{{ range .Tools }}x{{ else }}no tools{{ end }}", "no tools"),
        ("{{ range $i, $m := .Messages }}{{ $i }}{{ $m.Role }}{{ end }}", "0system1user"),
        ("{{ range .Messages }}{{ if eq .Role `user` }}{{ continue }}{{ end }}{{ .Role }}{{ end }}", "system"),
        ("{{ range .Messages }}{{ .Role }}{{ break }}{{ end }}", "system"),
        ("{{ $x := 1 }}{{ range .Messages }}{{ $x = .Role }}{{ end }}{{ $x }}", "user"),
        ("{{ (index .Messages 0).Role }}{{ len .Messages }}", "system2"),
        ('{{ .Prompt | printf "%s-%d-%q" "a" 3 }}', 'a-3-"Hi"'),
        ("{{ json .Messages }}", '[{"Role":"system","Content":"Be brief."},{"Role":"user","Content":"Hi"}]'),
        ("{{ slice .Prompt 1 }}{{ .Think }}{{ lt 1 2 }}", "ifalsetrue"),
        ("before{{ .Response }}after", "before"),
        ("}} stays", "}} stays"),
    ],
)
def test_the_language(text: str, said: str) -> None:
    assert render(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{{ if .Prompt }}", "line 2: if has no end"),
        ("{{ end }}", "unexpected end"),
        ("{{ .Prompt", "unclosed action"),
        ("{{ }}", "missing value"),
        ("{{ nonsense .Prompt }}", '"nonsense" not defined'),
        ('{{ template "x" }}', "template is not known"),
        ("{{ .Nobody }}", "no .Nobody"),
        ("{{ $x }}", "undefined variable"),
        ("{{ (.Prompt }}", "not closed"),
        ("{{ .Prompt .System }}", "only functions"),
        ("{{ len .Think }}", "cannot be rendered"),
        ("{{ index .Messages 9 }}", "out of range"),
        ("{{ eq }}", "cannot be rendered"),
        ("{{ break }}", "outside of range"),
        ("{{ ! }}", "unexpected '!'"),
        ("{{ if .Prompt }}a{{ else what }}b{{ end }}", "after else"),
        ("{{ range 30000 }}x{{ end }}", "steps"),
        ("{{ range 999999999999 }}x{{ end }}", "steps"),
        ("{{ range 200 }}{{ range 200 }}x{{ end }}{{ end }}", "steps"),
        ("{{ if .Prompt }}" * 60 + "{{ end }}" * 60, "too deeply"),
        ("{{ " + "(" * 60 + ".Prompt" + ")" * 60 + " }}", "too deeply"),
        ("x" * 20_000, "at most"),
        ("{{ $a := .Prompt }}" + "{{ $a = print $a $a $a $a }}" * 40 + "{{ $a }}", "steps"),
        ("{{ range 19000 }}{{ $.System }}{{ end }}", "steps"),
    ],
)
def test_mistakes_are_told(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=r"^template: ") as caught:
        render(text)
    assert said in caught.value.message
    assert caught.value.field == "template"
