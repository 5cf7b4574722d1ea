#!/usr/bin/env bash
# Checks template.yaml with the rules of AWS, of cfn-lint-serverless and of checkov. Needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv-tools/bin
# The tools ask AWS nothing, but they need the name of a region.
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-eu-central-1}"

cfn_lint_skips=(
  W1100   # YAML's merge key: template.yaml says why, but this list replaces the one there.
  ES1001  # A trigger's OnFailure destination: for streams. The queues have dead-letter queues.
  WS1000  # Tracing: X-Ray costs money per request and time at every cold start. Logs and metrics have a task's ids.
  WS2002  # Tracing of the API's stage: as WS1000.
  WS1004  # The rule finds log groups by a fixed name. The functions name theirs in LoggingConfig, with a retention.
)
checkov_skips=(
  CKV_AWS_18   # Access log of the bucket: only the functions use the bucket, and they log what they do.
  CKV_AWS_21   # Versions in the bucket: objects are written once, and an expired object must be gone.
  CKV_AWS_27   # Queues encrypted with a key of our own: SQS encrypts them with its own (SqsManagedSseEnabled).
  CKV_AWS_73   # X-Ray on the API's stage: as WS1000.
  CKV_AWS_115  # Reserved concurrency: it is taken from the whole account. MaximumConcurrency limits the executor.
  CKV_AWS_116  # A function's dead-letter queue: it is for asynchronous calls only. Here the queues have one.
  CKV_AWS_117  # VPC: the functions call AWS and tasks' targets over the internet. A NAT gateway costs by the hour.
  CKV_AWS_119  # Table encrypted with a key of our own: AWS's key is used. Ours would cost more and protect no better.
  CKV_AWS_120  # Cached answers: a client must see a task's current state.
  CKV_AWS_158  # Log groups encrypted with a key of our own: CloudWatch encrypts them with its own.
  CKV_AWS_173  # Variables encrypted with a key of our own: Lambda encrypts them with its own, and none is a secret.
)

# As CloudFormation gets it, cfn-lint finds more: in a serverless template it passes by every dependency on a resource
# whose name begins with that of another one. It tries both values of each condition.
translated=$(mktemp --suffix .json)
# checkov takes the defaults for the parameters, and leaves out the resources whose condition is then false.
with_http_api=$(mktemp --suffix .yaml)
trap 'rm -f "$translated" "$with_http_api"' EXIT
.venv/bin/python -m tests.support.translated > "$translated"
sed 's/Default: REST$/Default: HTTP/' template.yaml > "$with_http_api"
grep --quiet 'Default: HTTP' "$with_http_api"

"$bin/sam" validate --lint
"$bin/cfn-lint" --append-rules cfn_lint_serverless.rules --ignore-checks "${cfn_lint_skips[@]}" -- \
  template.yaml "$translated"
# checkov calls a template without findings good, even one that it cannot read.
found=$("$bin/checkov" --skip-download --quiet --compact --framework cloudformation \
  --file template.yaml "$with_http_api" --skip-check "$(IFS=,; echo "${checkov_skips[*]}")") || { echo "$found"; exit 1; }
echo "$found"
[[ $found != *"Parsing errors"* ]]
