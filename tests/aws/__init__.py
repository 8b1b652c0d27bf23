"""What the tests of the AWS side share: clients of the stand-in, and MCP requests as events of its doors."""
