"""Every setting, its default and its meaning. `settings_sources.py` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.access import KeyRecord, Scope, Trust
from engine.consent import ConsentLevel
from engine.events import MAX_EVENT_BYTES

PREFIX = "CUELINE_"


class Section(BaseModel):
    """A group of settings; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid")

    def given(self, names: Iterable[str]) -> list[str]:
        """Those of `names`, settings that hold a text or a secret, that are not empty."""
        values = ((name, getattr(self, name)) for name in names)
        return [name for name, value in values if (value if isinstance(value, str) else value.get_secret_value())]


class Tls(Section):
    """TLS towards a service: files in PEM, "" where there is none."""

    ca_file: str = Field("", description="whom to trust, instead of those whom the system trusts")
    client_cert_file: str = Field("", description="where the service asks for a client's certificate")
    client_key_file: str = Field("", description='its key; "" where client_cert_file holds it')
    client_key_password: SecretStr = SecretStr("")


class Kafka(Tls):
    """Kafka and the topics of one deployment."""

    brokers: str = Field("127.0.0.1:9092", description="host:port, several with commas")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = ""
    sasl_user: str = Field("", description="of PLAIN and SCRAM")
    sasl_password: SecretStr = SecretStr("")
    oauth_token_url: str = Field("", description="OAUTHBEARER: the endpoint that gives tokens to clients, or")
    oauth_client_id: str = ""
    oauth_client_secret: SecretStr = SecretStr("")
    oauth_scope: str = ""
    oauth_token_file: str = Field("", description="the file that somebody else keeps a token in")
    partitions: int = Field(16, ge=1, le=4096, description="of cueline.events; fixed for the life of a deployment")
    replication: int = Field(1, ge=1)
    events_topic: str = "cueline.events"
    outcomes_topic: str = "cueline.outcomes"
    deadletters_topic: str = "cueline.deadletters"
    audit_topic: str = "cueline.audit"
    audit_days: int = Field(90, ge=1, description="how long that topic keeps, set when it is made")
    group: str = Field("cueline", description="consumer group of the workers")
    group_instance_id: str = Field(
        "", description="static membership: a name of each worker's own, that a restart keeps"
    )
    session_timeout_s: float = Field(
        8.0, gt=0, description="a worker without heartbeats loses its partitions after this"
    )
    rebalance_timeout_s: float = Field(6.0, gt=0)
    heartbeat_s: float = Field(1.0, gt=0)
    fetch_wait_ms: int = Field(
        50, ge=1, description="how long a broker may hold an empty fetch; some hold it even when records arrive"
    )
    idempotent: bool = Field(
        True, description="idempotent producer; off for brokers without it, repeats are then dropped by message id"
    )


class Redis(Tls):
    """Redis 7+ or Valkey."""

    url: str = Field("redis://127.0.0.1:6379/0", description="redis://, rediss:// (TLS) or unix://")
    username: str = Field("", description="ACL user")
    password: SecretStr = SecretStr("")
    timeout_s: float = Field(2.0, gt=0, description="a command not answered by then counts as Unavailable")
    cue_stream_length: int = Field(10_000, ge=1, description="cues kept per partition for resuming readers")
    words_kept: int = Field(
        500_000, ge=1, description="words of items and categories kept for display; the oldest make room"
    )


class Stream(Section):
    """The worker."""

    rows_in_memory: int = Field(
        100_000,
        ge=1,
        description="rows held by one worker, 5.5 KB each: 0.55 GB; the least recently used are evicted",
    )
    rows_per_commit: int = Field(
        2_048,
        ge=1,
        description="bounds how long one commit occupies Redis: 2,048 rows about 5 ms, in a backlog only",
    )
    lateness_ms: int = Field(
        5_000, ge=0, description="how late events may be: the watermark is this far behind the clock"
    )
    dead_letter_ratio: float = Field(
        0.2, ge=0, le=1, description="above this share of bad records a partition takes no more"
    )
    dead_letter_window: int = Field(1_000, ge=1)
    lag_watchdog_s: float = Field(60.0, gt=0, description="lag without progress for this long ends the process")
    lost_log: Literal["stop", "restart"] = Field(
        "stop", description="when the topic begins again below what was applied: stop, or resume from there"
    )
    sweep_per_second: int = Field(
        400,
        ge=0,
        description="stored keys that each worker looks at, to delete rows idle for more than 400 days; 0: none",
    )
    clock: Literal["wall", "replay"] = Field("wall", description="replay: follow the clock a replay sets in Redis")
    metrics_port: int = Field(9109, ge=0, le=65_535, description="0 picks a free one")


class Key(Section):
    """One of `web.keys`: a key by its digest, as `cueline keys create --print` writes it."""

    id: str
    hash: str
    trust: Trust
    scopes: list[Scope]
    origins: list[str] = Field(default_factory=list, description="websites that may use it; none: any")
    kinds: list[str] = Field(
        default_factory=list, description="events that it may write; none: those of its trust"
    )
    rate: float = Field(0.0, ge=0, description="requests a second; 0: the default")
    quota: int = Field(0, ge=0, description="requests and events a day; 0: any number")
    expires: datetime | None = None

    def record(self) -> KeyRecord:
        """As the engine uses it; a time without a zone is UTC."""
        ends = self.expires and (self.expires if self.expires.tzinfo else self.expires.replace(tzinfo=UTC))
        return KeyRecord(
            self.id, self.hash, self.trust, tuple(self.scopes), tuple(self.origins), tuple(self.kinds), self.rate,
            self.quota,
            round(ends.timestamp() * 1_000) if ends else 0,
        )  # fmt: skip


class TokenKey(Section):
    """One of `web.token_keys`: what verifies visitor tokens whose head has this `kid`."""

    kid: str
    algorithm: Literal["HS256", "EdDSA"]
    secret: SecretStr = Field(SecretStr(""), description="of HS256: 256 random bits; it signs, too")
    public_key: str = Field("", description="of EdDSA: in PEM; whoever signs has the private one")


class Web(Section):
    """The HTTP process."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65_535, description="callers have to know it, so none is picked")
    keys: list[Key] = Field(default_factory=list, description="beside those that `cueline keys` keeps in Redis")
    write_keys: list[SecretStr] = Field(
        default_factory=list, description="public keys of websites, in plain: events, their web cues and outcomes"
    )
    api_keys: list[SecretStr] = Field(
        default_factory=list, description="secret keys, in plain: decisions, customers, outcomes, cues, rulebook"
    )
    token_keys: list[TokenKey] = Field(
        default_factory=list, description="verify visitor tokens; the first of HS256 signs those made here"
    )
    token_audience: str = Field("cueline", min_length=1, description="what a visitor token's `aud` has to name")
    token_max_s: int = Field(
        86_400, ge=60, le=604_800, description="a visitor token that is valid for longer is refused"
    )
    metrics_open: bool = Field(True, description="/metrics needs no key; else one with the scope metrics")
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="serve /metrics there and not on `port`; 0: on `port`"
    )
    max_event_bytes: int = Field(MAX_EVENT_BYTES, ge=1)
    max_batch_bytes: int = Field(500 * 1024, ge=1)
    max_batch_events: int = Field(2_500, ge=1)
    max_in_flight: int = Field(
        512,
        ge=1,
        description="at once, of events and outcomes, of decisions, of pages each; more get 503 with Retry-After",
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        description='websites whose pages may call what visitors and agents may, beside those of keys; "*": any',
    )
    trusted_proxies: list[str] = Field(
        default_factory=list, description="networks (10.0.0.0/8) whose X-Forwarded-For says the client's address"
    )
    max_streams: int = Field(10_000, ge=1, description="open event streams; more get 503 with Retry-After")
    deadline_ms: int = Field(50, ge=1, description="a decision not ready by then is the fallback")
    demo_page: bool = Field(
        False, description="serve the live page at /; it opens everything to browsers of this machine"
    )


class Rates(Section):
    """How much one caller may ask for, of one api process; more is a 429. 0: any number."""

    key_per_second: float = Field(0.0, ge=0, description="requests with one key, unless its record says")
    address_per_second: float = Field(100.0, ge=0, description="requests with public keys from one address")
    failures_per_second: float = Field(
        10.0,
        ge=0,
        description="requests without a valid key or token from one address: keys are let in beside them",
    )
    address_events_per_second: float = Field(
        1_000.0, ge=0, description="events with public keys from one address: each may be of a customer never seen"
    )
    visitor_events_per_second: float = Field(20.0, ge=0, description="events of one visitor by public keys")
    streams_per_visitor: int = Field(10, ge=0, description="open event streams of one visitor by public keys")
    streams_per_address: int = Field(200, ge=0, description="open event streams from one address by public keys")


class LessonLimits(Section):
    """How much outcomes teach that visitors report; with a public key anybody may have written them."""

    unsigned_weight: float = Field(0.5, ge=0, le=1, description="of a known reporter's; 0: they teach nothing")
    unsigned_share_per_hour: float = Field(
        0.25, ge=0, description="of what is known of an offer on a channel, so much may be added in an hour"
    )
    unsigned_per_address_hour: int = Field(3, ge=0, description="outcomes of an offer from one address in an hour")
    per_visitor_hour: int = Field(3, ge=0, description="outcomes of an offer with one visitor's tokens in an hour")


class Payloads(Section):
    """What is read of other systems' payloads."""

    placeholder_ids: list[str] = Field(
        default_factory=list, description="texts that are no ids, beside those of engine/placeholder_ids.py"
    )


class ContactSecret(Section):
    """One of `contacts.secrets`: what a vendor signs with."""

    source: str
    secret: SecretStr


class ContactCentre(Section):
    """Events of the contact centre, as vendors send them."""

    mappings: Path = Field(Path("config/sources"), description="mapping files of vendors' formats, *.yaml")
    public_url: str = Field(
        "", description="the API's address as vendors have it (https://cueline.example), which some of them sign"
    )
    secrets: list[ContactSecret] = Field(
        default_factory=list, description="of sources whose signatures are checked; two of one while it is changed"
    )
    signed_within_s: int = Field(
        300, ge=0, description="how old a signature may be that says when it was made; 0: as old as it is"
    )


class PostSecret(Section):
    """One of `post.secrets`: what signs mail whose header has this `id`."""

    id: str
    secret: SecretStr = Field(description="32 random bytes or more, in any writing")


class Post(Section):
    """Mail between partitions: what lies in another partition than its customer's reaches it once, exactly."""

    on: bool = Field(False, description="mail what is misplaced, from now on and for good; needs secrets")
    cluster: str = Field(
        "cueline",
        min_length=1,
        description="the deployment's name, signed with every letter; never changed",
    )
    secrets: list[PostSecret] = Field(
        default_factory=list,
        description="the first signs, all verify; each is kept as long as the topic has what it signed",
    )
    send: bool = Field(
        True,
        description="false only to read a topic once more, into another store: its mail is in there",
    )


class ConsentRules(Section):
    """What customers must have consented to. An offer's purpose is in its rule."""

    required: dict[Literal["web", "agent", "email", "app"], Literal["granted", "confirmed"]] = Field(
        {},
        description="by channel: what an offer with a purpose needs there. confirmed: by a double opt-in. Of a "
        "channel that is not named, only a consent that was revoked counts",
    )

    @property
    def levels(self) -> dict[str, ConsentLevel]:
        """The same, as policies take it."""
        return {channel: ConsentLevel[level.upper()] for channel, level in self.required.items()}


class Identity(Section):
    """Several ids of one customer."""

    links: bool = Field(
        False,
        description="announce which ids are one customer's; needs post.on, a secret, and no process of before",
    )
    secret: SecretStr = Field(
        SecretStr(""),
        description="under which e-mail addresses, phone numbers and who was erased are hashed; never changed",
    )
    region: str = Field("", description="country (DE) of phone numbers without one; none: they are left out")
    regions: dict[str, str] = Field(default_factory=dict, description="the same of single sources, by name")
    shared: list[str] = Field(
        default_factory=list,
        description='phone numbers ("+49301234*": all that begin so) and e-mail addresses that are nobody\'s own',
    )
    links_per_month: int = Field(
        100,
        ge=1,
        le=10_000,
        description="ids linked to a customer in a month, by signed and by unsigned links each",
    )


class RuleFiles(Section):
    """The rulebook."""

    directory: Path = Path("rules")
    currency: str = "€"


class Settings(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")

    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    stream: Stream = Stream()
    web: Web = Web()
    rates: Rates = Rates()
    lessons: LessonLimits = LessonLimits()
    payloads: Payloads = Payloads()
    contacts: ContactCentre = ContactCentre()
    post: Post = Post()
    consent: ConsentRules = ConsentRules()
    identity: Identity = Identity()
    rules: RuleFiles = RuleFiles()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
