"""The adapters that keep records, all in one DynamoDB table."""
