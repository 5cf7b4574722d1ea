#!/usr/bin/env bash
# What AWS's own rules, the serverless rules and checkov have to say about template.yaml. Works without a network.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv-tools/bin
# No question goes to AWS, but the tools want to know a region.
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-eu-central-1}"

serverless_skips=(
  WS1000  # Tracing: X-Ray costs per request and at every cold start. Ids in logs and metrics follow a task instead.
  WS2002  # The same for the API's stage.
  WS1004  # Log groups are found by a fixed name only; here they are given by LoggingConfig, with a retention.
)
checkov_skips=(
  CKV_AWS_18   # Access log of the bucket: only the functions use it, and log what they do.
  CKV_AWS_21   # Versions in the bucket: objects are written once, and are meant to be gone when they expire.
  CKV_AWS_27   # Queues encrypted with a key of ours: they are with SQS's own (SqsManagedSseEnabled).
  CKV_AWS_73   # X-Ray on the API's stage: as WS1000.
  CKV_AWS_115  # Reserved concurrency: taken from the whole account. MaximumConcurrency bounds the executor.
  CKV_AWS_116  # Dead letters of a function: for asynchronous calls only. The queue has them.
  CKV_AWS_117  # VPC: the functions reach AWS and task targets over the internet; a NAT gateway costs by the hour.
  CKV_AWS_119  # Table encrypted with a key of ours: it is with AWS's; a key costs per use and protects no more here.
  CKV_AWS_120  # Cached answers: a task's state has to be the current one.
  CKV_AWS_158  # Log groups encrypted with a key of ours: they are with CloudWatch's own.
  CKV_AWS_173  # Environment encrypted with a key of ours: it is with Lambda's own, and holds no secrets.
)

"$bin/sam" validate --lint
"$bin/cfn-lint" --append-rules cfn_lint_serverless.rules --ignore-checks "${serverless_skips[@]}" -- template.yaml
"$bin/checkov" --skip-download --quiet --compact --framework cloudformation --file template.yaml \
  --skip-check "$(IFS=,; echo "${checkov_skips[*]}")"
