"""The private names of Faust and aiokafka that the batch drain leans on. A red test here means: read the
new version's source before touching `engine.kafka.consumer`."""

from __future__ import annotations

import inspect
import ssl
from importlib.metadata import version

import aiokafka
import faust
import mode
from aiokafka import conn
from aiokafka.consumer import fetcher, subscription_state
from faust import auth
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver

from tests.contracts.reading import parameters


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faust-streaming").startswith("0.15.")
    assert version("aiokafka").startswith("0.14.")


def test_the_fetcher_runs_drain_messages_of_the_consumer() -> None:
    assert parameters(base.Consumer._drain_messages) == ["self", "fetcher"]
    assert "self.app.consumer" in inspect.getsource(base.Fetcher)
    assert "_drain_messages(" in inspect.getsource(base.Fetcher)


def test_records_come_as_batches_by_partition() -> None:
    assert parameters(base.Consumer._wait_next_records) == ["self", "timeout"]
    assert "fetched_records" in inspect.getsource(driver.AIOKafkaConsumerThread._fetch_records)


def test_seeking_is_ours_and_not_overwritten() -> None:
    assert inspect.iscoroutinefunction(driver.Consumer.seek_to_committed)
    assert "self.seek_to_committed()" in inspect.getsource(base.Consumer.perform_seek)
    seek = driver.AIOKafkaConsumerThread.seek
    assert not inspect.iscoroutinefunction(seek)
    assert parameters(seek) == ["self", "partition", "offset"]


def test_agents_messages_are_handed_over_as_faust_does() -> None:
    stock = inspect.getsource(base.Consumer._drain_messages)
    names = ("self.wait_first", "callback(message)", "self.suspend_flow.wait()", "self._add_gap", "_read_offset")
    for name in names:
        assert name in stock
    assert parameters(driver.Consumer._to_message) == ["self", "tp", "record"]


def test_the_thread_is_made_and_the_fetch_wait_is_set_where_we_override() -> None:
    assert "AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)" in inspect.getsource(
        driver.Consumer._new_consumer_thread
    )
    assert parameters(driver.AIOKafkaConsumerThread._create_worker_consumer) == ["self", "transport"]
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)


def test_a_partition_can_be_held_in_the_consumers_thread() -> None:
    assert parameters(driver.AIOKafkaConsumerThread.call_thread)[:2] == ["self", "fun"]
    for change in (aiokafka.AIOKafkaConsumer.pause, aiokafka.AIOKafkaConsumer.resume):
        assert not inspect.iscoroutinefunction(change)
        assert parameters(change) == ["self", "partitions"]
    assert "tp_state.paused" in inspect.getsource(fetcher.FetchResult.check_assignment)
    assert "tp_state.paused" in inspect.getsource(fetcher.Fetcher._get_actions_per_node)


async def test_a_new_assignment_holds_nothing() -> None:
    one = aiokafka.TopicPartition("a", 1)
    assert subscription_state.Assignment([one]).state_value(one).paused is False


def test_the_transport_makes_our_consumer() -> None:
    assert driver.Transport.Consumer is driver.Consumer
    assert isinstance(faust.App.transport, property)
    assert faust.App.transport.fset is not None


def test_what_is_read_of_the_app_is_there() -> None:
    source = inspect.getsource(inspect.getmodule(faust.App))  # type: ignore[arg-type]
    assert hasattr(faust.App, "consumer_generation_id")
    assert "rebalancing" in source
    assert isinstance(mode.Service.crash_reason, property)


def test_an_app_makes_directories_where_we_make_none() -> None:
    assert parameters(faust.App._create_directories) == ["self"]
    assert "self._create_directories()" in inspect.getsource(faust.App.on_first_start)


def test_where_a_partition_stands_is_read_of_its_state() -> None:
    assert "self._subscription = " in inspect.getsource(aiokafka.AIOKafkaConsumer.__init__)
    assert "self._fetcher = " in inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert isinstance(subscription_state.SubscriptionState.subscription, property)
    assert isinstance(subscription_state.Subscription.assignment, property)
    assert parameters(subscription_state.Assignment.state_value) == ["self", "tp"]
    state = inspect.getsource(subscription_state.TopicPartitionState.__init__)
    assert "self.highwater = None" in state
    assert "self._position = None" in state


def test_what_the_drain_asks_of_the_consumer_is_there() -> None:
    made = inspect.getsource(base.Consumer.__init__)
    for name in ("self.flow_active = ", "self.suspend_flow = ", "self._read_offset = "):
        assert name in made or name in inspect.getsource(base.Consumer), name
    assert parameters(base.Consumer.verify_event_path) == ["self", "now", "tp"]
    assert parameters(driver.Consumer.verify_event_path) == ["self", "now", "tp"]
    assert parameters(base.Consumer.on_partitions_revoked) == ["self", "revoked"]
    assert parameters(base.Consumer._add_gap) == ["self", "tp", "offset_from", "offset_to"]
    assert driver.Consumer.consumer_stopped_errors
    assert isinstance(mode.Service.should_stop, property)
    assert parameters(mode.Service.add_future) == ["self", "coro"]
    assert "self._stopped = " in inspect.getsource(mode.Service)


def test_the_consumers_thread_can_be_called() -> None:
    thread = driver.AIOKafkaConsumerThread
    assert parameters(thread.call_thread)[:2] == ["self", "fun"]
    assert inspect.iscoroutinefunction(thread.call_thread)
    assert parameters(thread._ensure_consumer) == ["self"]
    assert parameters(thread._fetch_records)[:2] == ["self", "consumer"]
    assert "self._thread = self._new_consumer_thread()" in inspect.getsource(base.ThreadDelegateConsumer.__init__)
    assert parameters(driver.ensure_aiokafka_TP) == ["tp"]


def test_an_apps_security_and_place_in_the_group_reach_aiokafka() -> None:
    made = inspect.getsource(driver.AIOKafkaConsumerThread._create_worker_consumer)
    assert "credentials_to_aiokafka_auth(" in made
    assert "conf.broker_credentials" in made
    assert "group_instance_id=conf.consumer_group_instance_id" in made
    context = ssl.create_default_context()
    scram = auth.SASLCredentials(username="u", password="p", ssl_context=context, mechanism="SCRAM-SHA-512")
    options = driver.credentials_to_aiokafka_auth(scram)
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert options["ssl_context"] is context
    assert driver.credentials_to_aiokafka_auth(auth.SSLCredentials(context))["security_protocol"] == "SSL"


def test_a_connection_can_be_made_by_hand_and_says_why_it_failed() -> None:
    names = parameters(conn.create_conn)
    assert {"host", "port", "request_timeout_ms", "ssl_context", "security_protocol", "sasl_mechanism"} <= set(
        names
    )
    assert "error.__cause__ = exc" in inspect.getsource(conn.AIOKafkaConnection.close)
    assert "MetadataRequest([])" in inspect.getsource(aiokafka.client.AIOKafkaClient.bootstrap)
