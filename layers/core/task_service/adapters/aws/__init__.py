"""The adapters on AWS: DynamoDB, SQS, S3, and the stores of secrets."""
