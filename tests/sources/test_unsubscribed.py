"""What becomes of e-mails, in the words of each sender: outcomes in one vocabulary, which are no contact; and
whoever unsubscribes, or complains, revokes consent, found by an address alone where nobody is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.events import ContactChannel, Kind, Message
from engine.ports.sources import Delivery
from tests.sources.contacts import NOW, SECOND, SHIPPED, as_form, as_json, events, passed, refused, taken
from tests.sources.knowing import ANN, KNOWING, LEE, PHONE, hashed
from tests.sources.test_coded_vendors import CLOUD

ISO = "2023-11-14T22:13:20Z"
REVOKED, GRANTED, OUTCOME = Kind.CONSENT_REVOKED, Kind.CONSENT_GRANTED, Kind.CONTACT_OUTCOME


def sendgrid(event: str, **more: Any) -> Delivery:
    """As https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event has them."""
    return as_json([{"email": "Ann@home.example", "timestamp": NOW // SECOND, "event": event, "sg_event_id": "e-1",
                     "sg_message_id": "m-1", **more}])  # fmt: skip


def mailgun(event: str, **more: Any) -> Delivery:
    """As https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads has them."""
    data = {
        "event": event, "id": "e-1", "timestamp": NOW / SECOND, "recipient": ANN, "user-variables": {},
        "message": {"headers": {"to": LEE, "from": "news@shop.example", "message-id": "m-1"}}, **more,
    }  # fmt: skip
    signature = {"timestamp": str(NOW // SECOND), "token": "t", "signature": "s"}
    return as_json({"signature": signature, "event-data": data})


def postmark(record: str, **more: Any) -> Delivery:
    """As https://postmarkapp.com/developer/webhooks/webhooks-overview has them."""
    return as_json({"RecordType": record, "MessageID": "m-1", "Metadata": {}, **more})


def ses(event: str, wrapped: str = "", **more: Any) -> Delivery:
    """As https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html has them."""
    mail = {
        "timestamp": ISO, "messageId": "m-1", "source": "Shop <news@shop.example>", "destination": [ANN],
        "tags": {"ses:operation": ["SendEmail"]},
    }  # fmt: skip
    record = {"eventType": event, "mail": mail, **more}
    if wrapped == "sns":
        return as_json({"Type": "Notification", "MessageId": "n-1", "Message": json.dumps(record)})
    return as_json({"detail-type": f"Email {event}", "detail": record} if wrapped else record)


def at(**more: Any) -> dict[str, Any]:
    return {"timestamp": ISO, **more}


COMPLAINED = at(complainedRecipients=[{"emailAddress": f"Ann <{ANN}>"}])
OUT, IN = {"unsubscribeAll": True}, {"unsubscribeAll": False}
TOPIC = {"unsubscribeAll": False, "topicSubscriptionStatus": [{"topicName": "a", "subscriptionStatus": "OptOut"}]}
TOPICS = {**TOPIC, "topicSubscriptionStatus": [*TOPIC["topicSubscriptionStatus"], {"topicName": "b"}]}  # type: ignore[misc]

SENT: list[tuple[str, Delivery, Kind | None, str]] = [
    ("email", sendgrid("processed"), OUTCOME, "sent"),
    ("email", sendgrid("delivered"), OUTCOME, "delivered"),
    ("email", sendgrid("open"), OUTCOME, "opened"),
    ("email", sendgrid("click"), OUTCOME, "clicked"),
    ("email", sendgrid("bounce", type="blocked"), OUTCOME, "bounced"),
    ("email", sendgrid("dropped"), OUTCOME, "bounced"),
    ("email", sendgrid("deferred"), None, ""),
    ("email", sendgrid("spamreport"), REVOKED, "spamreport"),
    ("email", sendgrid("unsubscribe"), REVOKED, "unsubscribe"),
    ("email", sendgrid("group_unsubscribe", asm_group_id=1), REVOKED, "group_unsubscribe"),
    ("email", sendgrid("group_resubscribe"), GRANTED, "group_resubscribe"),
    ("email_mailgun", mailgun("accepted"), OUTCOME, "sent"),
    ("email_mailgun", mailgun("delivered"), OUTCOME, "delivered"),
    ("email_mailgun", mailgun("opened"), OUTCOME, "opened"),
    ("email_mailgun", mailgun("clicked"), OUTCOME, "clicked"),
    ("email_mailgun", mailgun("failed", severity="permanent"), OUTCOME, "bounced"),
    ("email_mailgun", mailgun("failed", severity="temporary"), None, ""),
    ("email_mailgun", mailgun("unsubscribed"), REVOKED, "unsubscribed"),
    ("email_mailgun", mailgun("complained"), REVOKED, "complained"),
    ("email_postmark", postmark("Delivery", Recipient=ANN, DeliveredAt=ISO), OUTCOME, "delivered"),
    ("email_postmark", postmark("Open", Recipient=ANN, ReceivedAt=ISO), OUTCOME, "opened"),
    ("email_postmark", postmark("Click", Recipient=ANN, ReceivedAt=ISO), OUTCOME, "clicked"),
    ("email_postmark", postmark("Bounce", Email=ANN, BouncedAt=ISO, Type="HardBounce"), OUTCOME, "bounced"),
    ("email_postmark", postmark("SpamComplaint", Email=ANN, BouncedAt=ISO), REVOKED, "SpamComplaint"),
    ("email_postmark", postmark("SubscriptionChange", Recipient=ANN, ChangedAt=ISO, SuppressSending=True,
                          SuppressionReason="ManualSuppression"), REVOKED, "ManualSuppression"),
    ("email_postmark", postmark("SubscriptionChange", Recipient=ANN, ChangedAt=ISO, SuppressSending=True,
                          SuppressionReason="HardBounce", Origin="Recipient"), None, ""),
    ("email_postmark", postmark("SubscriptionChange", Recipient=ANN, ChangedAt=ISO, SuppressSending=False,
                          SuppressionReason=None, Origin="Recipient"), GRANTED, "SubscriptionChange"),
    ("email_postmark", postmark("SubscriptionChange", Recipient=ANN, ChangedAt=ISO, SuppressSending=False,
                          SuppressionReason=None, Origin="Customer"), None, ""),
    ("email_ses", ses("Send"), OUTCOME, "sent"),
    ("email_ses", ses("Delivery", delivery=at(recipients=[ANN])), OUTCOME, "delivered"),
    ("email_ses", ses("Open", "sns", open=at()), OUTCOME, "opened"),
    ("email_ses", ses("Click", "bus", click=at()), OUTCOME, "clicked"),
    ("email_ses", ses("Bounce", bounce=at(bouncedRecipients=[{"emailAddress": ANN}])), OUTCOME, "bounced"),
    ("email_ses", ses("DeliveryDelay"), None, ""),
    ("email_ses", ses("Complaint", complaint=COMPLAINED), REVOKED, "Complaint"),
    ("email_ses", ses("Complaint", "sns", complaint=COMPLAINED), REVOKED, "Complaint"),
    ("email_ses", ses("Complaint", "bus", complaint=COMPLAINED), REVOKED, "Complaint"),
    ("email_ses", ses("", eventType=None, notificationType="Complaint", complaint=COMPLAINED), REVOKED,
     "Complaint"),
    ("email_ses", ses("Subscription", subscription=at(newTopicPreferences=OUT)), REVOKED, "Subscription"),
    ("email_ses", ses("Subscription", subscription=at(newTopicPreferences=TOPIC)), REVOKED, "Subscription"),
    ("email_ses", ses("Subscription", subscription=at(newTopicPreferences=TOPICS)), None, ""),
    ("email_ses", ses("Subscription", subscription=at(newTopicPreferences=IN, oldTopicPreferences=OUT)), GRANTED,
     "Subscription"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "delivery", "kind", "word"), SENT)
def test_what_becomes_of_an_email(source: str, delivery: Delivery, kind: Kind | None, word: str) -> None:
    if kind is None:
        assert passed(KNOWING[source], delivery) == "unknown_type"
        return
    message = taken(KNOWING[source], delivery)
    assert (message.customer, message.names, message.left_out) == (hashed(ANN), (), ())
    assert (message.event.kind, message.event.at) == (kind, NOW)
    contact = message.event.contact
    assert contact is not None
    assert (contact.id, contact.channel, contact.reason) == ("m-1", ContactChannel.EMAIL, word)
    consent = ("marketing", "email") if kind in (REVOKED, GRANTED) else ("", "")
    assert (message.event.item, message.event.category) == consent


def test_whom_the_sender_names_it_is() -> None:
    named = [
        ("email", sendgrid("unsubscribe", customer_id="ann")),
        ("email_mailgun", mailgun("unsubscribed", **{"user-variables": {"customer_id": "ann"}})),
        ("email_postmark", postmark("SpamComplaint", Email=ANN, Metadata={"customer_id": "ann"})),
        (
            "email_ses",
            ses("Complaint", complaint=COMPLAINED, mail={"messageId": "m", "tags": {"customer_id": ["ann"]}}),
        ),
    ]
    for source, delivery in named:
        message = taken(KNOWING[source], delivery)
        assert message.customer == "ann"
        assert [name.id for name in message.names] == ["ann", hashed(ANN)]  # and no message is another id of hers
        assert taken(SHIPPED[source], delivery).customer == "ann"


@pytest.mark.parametrize("message_id", [None, "", "00000000-0000-0000-0000-000000000000", "x" * 300, {}])
def test_consent_needs_no_message(message_id: object) -> None:
    """A suppression by hand, https://postmarkapp.com/developer/webhooks/subscription-change-webhook."""
    given = {"Recipient": ANN, "SuppressSending": True, "SuppressionReason": "ManualSuppression"}
    delivery = postmark("SubscriptionChange", MessageID=message_id, ChangedAt=ISO, **given)
    message = taken(KNOWING["email_postmark"], delivery)
    assert (message.customer, message.event.kind, message.event.contact) == (hashed(ANN), REVOKED, None)
    assert message.event.id == taken(KNOWING["email_postmark"], delivery).event.id  # a repeat has the same
    assert (
        refused(KNOWING["email_postmark"], postmark("Open", MessageID=message_id, Recipient=ANN))[1] == "MessageID"
    )


def test_each_of_several_who_may_have_complained_is_taken_for_it_and_nobody_for_granting() -> None:
    both = [{"emailAddress": one} for one in (ANN, LEE, "Ann <ANN@home.example>", "info@home.example")]
    found = events(KNOWING["email_ses"], ses("Complaint", complaint=at(complainedRecipients=both)))
    assert [one.customer for one in found if isinstance(one, Message)] == [hashed(ANN), hashed(LEE)]
    assert len({repr(one.event) for one in found if isinstance(one, Message)}) == 1
    again = {"newTopicPreferences": IN, "oldTopicPreferences": OUT}
    mail = {"messageId": "m-1", "destination": [ANN, LEE]}
    assert (
        refused(KNOWING["email_ses"], ses("Subscription", mail=mail, subscription=at(**again)))[0] == "bad_field"
    )
    sent = taken(KNOWING["email_ses"], ses("Send", mail={**mail, "timestamp": ISO}))
    assert (sent.customer, sent.names) == (hashed(ANN), ())


def said(kind: str, **data: Any) -> dict[str, Any]:
    return {**CLOUD, "type": f"contact.{kind}", "subject": None, "data": data}


@pytest.mark.parametrize(
    ("channel", "data", "address", "offers"),
    [
        ("voice", {"phone": f"tel:{PHONE}", "email": ANN}, PHONE, "agent"),
        ("messaging", {"phone": f"whatsapp:{PHONE}", "email": ANN}, PHONE, "app"),
        ("messaging", {"email": ANN}, ANN, "app"),
        ("chat", {"email": ANN}, ANN, "web"),
        ("email", {"phone": PHONE, "email": ANN}, ANN, "email"),
        ("email", {"phone": PHONE}, PHONE, "email"),
    ],
)
def test_by_any_channel_an_address_says_whose_consent_it_is(
    channel: str, data: dict[str, Any], address: str, offers: str
) -> None:
    message = taken(KNOWING["cloudevents"], said("unsubscribed", channel=channel, **data))
    assert (message.customer, message.event.contact) == (hashed(address), None)
    assert (message.event.item, message.event.category) == ("marketing", offers)


@pytest.mark.parametrize(
    ("word", "kind"), [("STOP", REVOKED), ("START", GRANTED), ("stop", REVOKED), ("HELP", None)]
)
@pytest.mark.parametrize("number", [PHONE, f"whatsapp:{PHONE}"])
def test_who_writes_stop_wants_no_messages(number: str, word: str, kind: Kind | None) -> None:
    """As https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out has it."""
    form = as_form({"MessageSid": "SM1", "From": number, "To": "+4930777777", "Body": "Stop", "OptOutType": word})
    if kind is None:
        assert passed(KNOWING["twilio"], form) == "unknown_type"
        return
    message = taken(KNOWING["twilio"], form)
    assert (message.customer, message.event.kind) == (hashed(PHONE), kind)
    assert (message.event.item, message.event.category) == ("marketing", "app")


def test_who_asks_an_agent_not_to_call_is_not_called() -> None:
    channel = {"id": "1.2", "caller": {"number": PHONE}}
    said = {"type": "ChannelUserevent", "eventname": "contact_unsubscribed", "timestamp": ISO, "channel": channel}
    message = taken(KNOWING["asterisk"], {**said, "userevent": {"eventname": "contact_unsubscribed"}})
    assert (message.customer, message.event.category) == (hashed(PHONE), "agent")
    named = taken(KNOWING["asterisk"], {**said, "userevent": {"customer": "ann"}})
    assert (named.customer, named.event.kind) == ("ann", REVOKED)


@pytest.mark.parametrize("address", [None, "", "no address", "info@home.example", "team@shop.example", ["x"], {}])
def test_consent_that_is_nobodys_is_refused(address: object) -> None:
    """Taken silently it would help nobody."""
    event = said("unsubscribed", channel="email", email=address)
    assert refused(KNOWING["cloudevents"], event)[0] == "missing_customer"
    for source in (SHIPPED, KNOWING):
        assert refused(source["cloudevents"], said("unsubscribed", channel="email"))[0] == "missing_customer"
    assert refused(SHIPPED["cloudevents"], said("unsubscribed", channel="email", email=ANN)) == (
        "missing_customer",
        "data.email",
    )


def test_consent_within_a_contact_is_its_customers_once_that_is_known() -> None:
    event = said("unsubscribed", channel="chat", contactId="c-1", email="no address")
    message = taken(KNOWING["cloudevents"], event)
    assert (message.customer, [one.field for one in message.left_out]) == ("contact:c-1", ["data.email"])


@pytest.mark.parametrize(
    ("kind", "more", "reasons"),
    [
        ("subscribed", {"channel": "email", "email": ANN}, []),  # a request, until it is confirmed
        ("subscribed", {"channel": "messaging", "email": ANN}, ["address_alone"]),
        ("subscribed", {"channel": "messaging", "phone": PHONE}, ["address_alone"]),
        ("subscribed", {"channel": "chat", "contactId": "c-1"}, ["address_alone"]),
        ("subscribed", {"channel": "messaging", "phone": PHONE, "customerId": "ann"}, []),
        ("unsubscribed", {"channel": "messaging", "phone": PHONE}, []),
    ],
)
def test_who_sends_consent_without_effect_is_warned(kind: str, more: dict[str, str], reasons: list[str]) -> None:
    message = taken(KNOWING["cloudevents"], said(kind, **more))
    assert [one.reason for one in message.left_out] == reasons
