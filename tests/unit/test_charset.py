"""The text of an answer, in the charset that it declares or shows."""

import pytest

from task_service.adapters.http.charset import text_of

JAPANESE = "日本語"


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("ISO-2022-JP", "iso2022_jp", JAPANESE),
        ("iso-2022-kr", "iso2022_kr", "한국어"),
        ("HZ-GB-2312", "hz", "中文"),
        ("UTF-7", "utf-7", "grün"),
        ("Shift_JIS", "shift_jis", JAPANESE),
        ("EUC-JP", "euc_jp", JAPANESE),
        ("Big5", "big5", "中文"),
        ("windows-1252", "cp1252", "Ã¤ €"),
        ("ISO-8859-15", "iso8859-15", "Ã€ €"),
        ("KOI8-R", "koi8-r", "привет"),
        ("cp037", "cp037", "EBCDIC"),
        ("utf-16", "utf-16", JAPANESE),
        ("utf-16", "utf-16-be", "a<b>"),
        ("UTF-16LE", "utf-16-le", JAPANESE),
        ("UTF-8", "utf-8", "~{VPND~} +AOQ-"),
    ],
)
@pytest.mark.parametrize(
    "form", ["text/plain; charset={}", 'text/html;CHARSET="{}"', "application/xml ; charset = {} ;a=b"]
)
def test_what_is_declared_comes_before_what_is_guessed(charset: str, codec: str, text: str, form: str) -> None:
    assert text_of(text.encode(codec), form.format(charset)) == text


@pytest.mark.parametrize("charset", ["ISO-2022-JP", "UTF-7", "Shift_JIS"])
def test_a_charset_of_other_letters_is_believed_for_json_too(charset: str) -> None:
    text = f'{{"a":"{JAPANESE}"}}'

    assert text_of(text.encode(charset), f"application/json; charset={charset}") == text


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "Application/vnd.a+json "])
@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252", "utf-16"])
def test_json_that_is_unicode_is_read_as_unicode_with_any_declared_charset(kind: str, charset: str) -> None:
    assert text_of('{"a":"Ã¤ö"}'.encode(), f"{kind}; charset={charset}") == '{"a":"Ã¤ö"}'


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("content_type", ["", "text/plain; charset=windows-1252", "text/plain; charset=utf-8"])
def test_a_byte_order_mark_counts_first(codec: str, content_type: str) -> None:
    assert text_of(JAPANESE.encode(codec), content_type) == JAPANESE


@pytest.mark.parametrize("charset", ["us-ascii", "ascii", "gb2312"])
def test_a_charset_that_cannot_be_the_one_is_not_used(charset: str) -> None:
    assert text_of("ж€ü".encode(), f"text/plain; charset={charset}") == "ж€ü"
