"""Signatures equal botocore's."""

from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from task_service.adapters.aws.credentials import Keys
from task_service.adapters.aws.signature import authorization

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
REGIONS = st.one_of(
    st.sampled_from(["eu-central-1", "us-gov-west-1", "cn-northwest-1", "us-isob-east-1", "local"]),
    st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=30),
)
TIMES = st.integers(100_000, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(
    access_key=PRINTABLE,
    secret_key=st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable()),
    token=st.one_of(st.none(), PRINTABLE),
    region=REGIONS,
    service=st.sampled_from(["dynamodb", "sqs"]),
    host=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,5}){0,3}(:[1-9][0-9]{2,3})?", fullmatch=True),
    path=st.sampled_from(["/", "/aws", "/aws/"]),
    target=st.from_regex(r"[A-Za-z]{1,20}(_[0-9]{8})?\.[A-Za-z]{1,30}", fullmatch=True),
    body=st.one_of(st.text(min_size=1).map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(min_size=1)),
    time=TIMES,
)
def test_a_signature_equals_that_of_botocore(
    access_key: str,
    secret_key: str,
    token: str | None,
    region: str,
    service: str,
    host: str,
    path: str,
    target: str,
    body: bytes,
    time: datetime,
) -> None:
    moment = time.strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": "application/x-amz-json-1.0", "host": host, "x-amz-date": moment}
    headers |= {"x-amz-security-token": token} if token else {}
    headers |= {"x-amz-target": target}

    ours = authorization(
        Keys(access_key=access_key, secret_key=secret_key, token=token),
        path=path,
        headers=headers,
        body=body,
        region=region,
        service=service,
        moment=moment,
    )

    asked = AWSRequest(method="POST", url=f"https://{host}{path}", headers=headers, data=body)
    asked.context["timestamp"] = moment
    botocore = SigV4Auth(Credentials(access_key, secret_key, token), service, region)
    names = botocore.signed_headers(botocore.headers_to_sign(asked))
    signature = botocore.signature(botocore.string_to_sign(asked, botocore.canonical_request(asked)), asked)
    assert ours == f"AWS4-HMAC-SHA256 Credential={botocore.scope(asked)}, SignedHeaders={names}, Signature={signature}"
