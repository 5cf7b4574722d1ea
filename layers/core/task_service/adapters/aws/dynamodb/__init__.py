"""The ports that keep records, on one DynamoDB table."""
