"""Templates in the DynamoDB table. The index `kind` has those of one kind in the order of their names."""

from dataclasses import dataclass
from typing import Final

from task_service.adapters.aws.dynamodb.table import Table, is_possible
from task_service.adapters.aws.dynamodb.values import Item, read_text
from task_service.adapters.aws.wire import ConditionFailed
from task_service.domain.template import StoredTemplate
from task_service.ports import Page

TASK_TEMPLATE: Final = "TASKTEMPLATE"
LIST_TEMPLATE: Final = "LISTTEMPLATE"
POLICY: Final = "POLICY"
EVENT_TASK: Final = "EVENTTASK"
INDEX: Final = "kind"


@dataclass(kw_only=True, eq=False, repr=False)
class DynamoDbTemplates:
    """The templates of one kind in one table."""

    table: Table
    kind: str

    def get(self, name: str) -> StoredTemplate | None:
        """Read the template of that name, consistently."""
        item = self.table.read(self._key(name))
        return _from_item(item) if item else None

    def put(self, template: StoredTemplate, *, if_match: str | None, if_new: bool) -> bool | None:
        """Write a template if the condition holds. True: it is new; False: it replaces one; None: refused."""
        item = {
            **self._key(template.name),
            "kind": {"S": self.kind},
            "name": {"S": template.name},
            "document": {"S": template.document},
            "etag": {"S": template.etag},
        }
        if template.changed_by is not None:
            item["changedBy"] = {"S": template.changed_by}
        # The client creates the template, and must not replace another client's.
        is_new = {"ConditionExpression": "attribute_not_exists(pk)"}
        condition = is_new if if_new else _matches(if_match)
        try:
            answer = self.table.call("PutItem", Item=item, ReturnValues="ALL_OLD", **condition)
        except ConditionFailed:
            return None
        return "Attributes" not in answer

    def delete(self, name: str, *, if_match: str | None) -> bool | None:
        """Delete a template if the condition holds. False: there was none; None: refused."""
        if not is_possible(self._key(name)):
            return False
        try:
            answer = self.table.call("DeleteItem", Key=self._key(name), ReturnValues="ALL_OLD", **_matches(if_match))
        except ConditionFailed:
            return None
        return "Attributes" in answer

    def page(self, *, limit: int, after: str | None) -> Page:
        """Read up to `limit` templates whose names are greater than `after`."""
        start: Item = {}
        if after is not None:
            start = {"ExclusiveStartKey": {**self._key(after), "kind": {"S": self.kind}}}
        answer = self.table.call(
            "Query",
            IndexName=INDEX,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": self.kind}},
            Limit=limit,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        return Page(
            items=[_from_item(item) for item in answer["Items"]],
            next=last["pk"]["S"].removeprefix(f"{self.kind}#") if last else None,
        )

    def _key(self, name: str) -> Item:
        return {"pk": {"S": f"{self.kind}#{name}"}, "sk": {"S": "-"}}


def _from_item(item: Item) -> StoredTemplate:
    return StoredTemplate(
        name=item["name"]["S"],
        document=item["document"]["S"],
        etag=item["etag"]["S"],
        changed_by=read_text(item, "changedBy"),
    )


def _matches(if_match: str | None) -> Item:
    """The condition of the request's If-Match header, as parameters of the write."""
    if if_match is None:
        return {}
    if if_match == "*":
        # There is a template, in any version.
        return {"ConditionExpression": "attribute_exists(pk)"}
    # The stored version is the one that the client has seen.
    return {"ConditionExpression": "etag = :etag", "ExpressionAttributeValues": {":etag": {"S": if_match}}}
