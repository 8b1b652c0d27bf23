"""Two local servers that speak DynamoDB's protocol, a table in either, and a road to them that can fail on purpose."""
