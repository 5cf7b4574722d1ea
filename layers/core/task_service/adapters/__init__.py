"""The ports' connections to the outside: DynamoDB, SQS, S3, HTTP targets."""
