"""What other services of AWS call a function with: none of it is payload format 2.0."""

from __future__ import annotations

import base64
import json
from typing import Any


def other_services(good: str, body: str) -> dict[str, Any]:
    """By the name of the service; good token and good message are in each that has room for them."""
    encoded = base64.b64encode(body.encode()).decode()
    headers = {"authorization": f"Bearer {good}", "content-type": "application/json"}
    lists = {name: [value] for name, value in headers.items()}
    identity = {"sourceIp": "192.0.2.1"}
    rest = {
        "resource": "/mcp",
        "path": "/mcp",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": lists,
        "queryStringParameters": None,
        "body": body,
        "isBase64Encoded": False,
    }
    context = {
        "identity": identity,
        "stage": "prod",
        "resourcePath": "/mcp",
        "httpMethod": "POST",
        "path": "/prod/mcp",
        "domainName": "id.execute-api.eu-west-1.amazonaws.com",
        "requestId": "r",
    }
    record = {"body": body, "messageAttributes": {"authorization": {"stringValue": f"Bearer {good}"}}}
    return {
        "an HTTP API with payload 1.0": {"version": "1.0", **rest, "requestContext": context},
        "a REST API": {**rest, "requestContext": context},
        "a REST API with an authorizer": {
            **rest,
            "requestContext": {**context, "authorizer": {"tokenName": "admin", "principalId": "admin"}},
        },
        "a REST API's test call": {**rest, "requestContext": {**context, "stage": "test-invoke-stage"}},
        "a load balancer": {
            "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
            "httpMethod": "POST",
            "path": "/mcp",
            "queryStringParameters": {},
            "headers": headers,
            "body": body,
            "isBase64Encoded": False,
        },
        "a load balancer with header lists": {
            "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
            "httpMethod": "POST",
            "path": "/mcp",
            "multiValueQueryStringParameters": {},
            "multiValueHeaders": lists,
            "body": body,
            "isBase64Encoded": False,
        },
        "a load balancer's health check": {
            "requestContext": {"elb": {}},
            "httpMethod": "GET",
            "path": "/healthz",
            "headers": {"user-agent": "ELB-HealthChecker/2.0"},
            "body": "",
        },
        "Lambda@Edge, viewer": {
            "Records": [
                {
                    "cf": {
                        "config": {"eventType": "viewer-request"},
                        "request": {
                            "uri": "/mcp",
                            "method": "POST",
                            "headers": {"authorization": [{"key": "Authorization", "value": f"Bearer {good}"}]},
                            "body": {"data": encoded},
                        },
                    }
                }
            ]
        },
        "VPC Lattice": {
            "raw_path": "/mcp",
            "method": "POST",
            "headers": headers,
            "body": body,
            "is_base64_encoded": False,
        },
        "VPC Lattice, version 2.0": {
            "version": "2.0",
            "path": "/mcp",
            "method": "POST",
            "headers": lists,
            "body": body,
            "requestContext": {"serviceArn": "arn:aws:vpc-lattice:x", "identity": identity},
        },
        "a WebSocket API, connect": {
            "headers": headers,
            "multiValueHeaders": lists,
            "requestContext": {**context, "eventType": "CONNECT", "routeKey": "$connect", "connectionId": "c"},
            "isBase64Encoded": False,
        },
        "a WebSocket API, message": {
            "requestContext": {**context, "eventType": "MESSAGE", "routeKey": "$default", "connectionId": "c"},
            "body": body,
            "isBase64Encoded": False,
        },
        "a token authorizer": {
            "type": "TOKEN",
            "authorizationToken": f"Bearer {good}",
            "methodArn": "arn:aws:execute-api:x",
        },
        "a request authorizer, version 1.0": {
            "version": "1.0",
            "type": "REQUEST",
            "methodArn": "arn:x",
            "authorizationToken": f"Bearer {good}",
            "headers": headers,
            "requestContext": context,
        },
        "AppSync": {
            "arguments": json.loads(body),
            "identity": {"claims": {"sub": "admin"}},
            "request": {"headers": headers},
            "info": {"fieldName": "call"},
        },
        "EventBridge": {
            "version": "0",
            "id": "1",
            "detail-type": "x",
            "source": "aws.events",
            "detail": json.loads(body),
        },
        "a schedule": {
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "resources": [],
            "detail": {},
        },
        "S3": {
            "Records": [
                {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"object": {"key": "../mcp"}}}
            ]
        },
        "SNS": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": body}}]},
        "SQS": {"Records": [{"eventSource": "aws:sqs", **record}]},
        "DynamoDB": {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"NewImage": {"body": {"S": body}}}}]},
        "Kinesis": {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": encoded}}]},
        "Kafka": {"eventSource": "aws:kafka", "records": {"t-0": [{"value": encoded}]}},
        "MQ": {"eventSource": "aws:amq", "messages": [{"data": encoded}]},
        "CloudWatch Logs": {"awslogs": {"data": "H4sIAAAAAAAA"}},
        "SES": {"Records": [{"eventSource": "aws:ses", "ses": {"mail": {}}}]},
        "Cognito": {
            "version": "1",
            "triggerSource": "TokenGeneration_HostedAuth",
            "request": {"userAttributes": {}},
            "response": {},
        },
        "Config": {"version": "1.0", "invokingEvent": "{}", "ruleParameters": "{}"},
        "CloudFormation": {"RequestType": "Create", "ResponseURL": "https://evil.example", "ResourceProperties": {}},
        "Secrets Manager": {"Step": "createSecret", "SecretId": "arn:x", "ClientRequestToken": "t"},
        "CodePipeline": {"CodePipeline.job": {"id": "1", "data": {}}},
        "Lex": {"sessionState": {"intent": {"name": "touch"}}, "bot": {"name": "b"}},
        "Alexa": {"version": "1.0", "session": {}, "request": {"type": "IntentRequest"}},
        "Bedrock": {
            "messageVersion": "1.0",
            "actionGroup": "g",
            "apiPath": "/mcp",
            "httpMethod": "POST",
            "parameters": [],
        },
        "AgentCore": {"name": "touch", "arguments": {}},
        "IoT": {"topic": "mcp", "payload": body},
        "Function Compute": {
            "version": "v1",
            "rawPath": "/mcp",
            "headers": headers,
            "queryParameters": {},
            "body": body,
            "isBase64Encoded": False,
            "requestContext": {"domainName": "x.fcapp.run", "http": {"method": "POST", "path": "/mcp"}},
        },
        "Azure": {
            "Data": {"req": {"Url": "https://x/mcp", "Method": "POST", "Headers": lists, "Body": body}},
            "Metadata": {},
        },
        "warm-up": {"source": "serverless-plugin-warmup"},
    }
