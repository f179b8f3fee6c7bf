#!/usr/bin/env python3
"""Stores what an HJ 212 gateway publishes in SQLite (or PostgreSQL), each message once.

    sqlite_consumer.py --host 127.0.0.1 --database readings.db
    sqlite_consumer.py --postgresql "dbname=hj212" --confirm ah-01/store   # [delivery] confirm = "consumer", consumer = "store"

What must stay true: a message is acknowledged to the broker after it is committed; one that comes twice changes nothing; a higher revision
takes the place of a lower one; `validity` messages correct what stands there; numbers keep the digits that the station wrote; whoever waits for the
broker says for what and why, once for each reason; a password that the broker refuses ends it (exit code 77). Works with paho-mqtt 1.6 and 2.
"""
import argparse
import json
import signal
import sqlite3
import sys

import paho.mqtt.client as mqtt

FIELDS_TEXT = {"name", "unit", "flag", "text", "why", "marks", "proposed", "valid", "validity", "recomputed", "reported", "reported_code",
               "same_as", "collides", "earlier", "item", "code", "eflag", "sn", "sample_type", "sample_time", "complete_time", "water_time"}

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, mn TEXT NOT NULL, kind TEXT NOT NULL, data_time TEXT, received_at TEXT NOT NULL,
  backfill INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reading (
  id TEXT NOT NULL REFERENCES message (id), mn TEXT NOT NULL, kind TEXT NOT NULL, data_time TEXT, code TEXT NOT NULL, field TEXT NOT NULL,
  value TEXT NOT NULL, unit TEXT, flag TEXT, valid INTEGER, validity TEXT, PRIMARY KEY (id, code, field));
CREATE INDEX IF NOT EXISTS reading_time ON reading (mn, code, kind, data_time);
CREATE TABLE IF NOT EXISTS event (topic TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (topic, body));
"""


class Store:
    """The tables; SQLite's and PostgreSQL's differ in the sign for a parameter only."""

    def __init__(self, database, postgresql):
        if postgresql:
            import psycopg2

            self.base, self.sign = psycopg2.connect(postgresql), "%s"
        else:
            self.base, self.sign = sqlite3.connect(database, check_same_thread=False), "?"
            self.base.execute("PRAGMA journal_mode = WAL")
            self.base.execute("PRAGMA synchronous = FULL")
            self.base.executescript(SCHEMA)

    def do(self, text, *values):
        cursor = self.base.cursor()
        cursor.execute(text.replace("?", self.sign), values)
        return cursor

    def data(self, body, text):
        known = self.do("SELECT revision FROM message WHERE id = ?", body["id"]).fetchone()
        if known and known[0] >= body["revision"]:
            return
        self.do("DELETE FROM reading WHERE id = ?", body["id"])
        self.do("DELETE FROM message WHERE id = ?", body["id"])
        self.do("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)", body["id"], body["revision"], body["mn"], body["kind"],
                body["data_time"], body["received_at"], int(body["backfill"]), text)
        for code, reading in (body.get("readings") or {}).items():
            valid = reading.get("valid")
            for field, value in reading.items():
                if field in FIELDS_TEXT or value is None or isinstance(value, (dict, list, bool)):
                    continue
                self.do("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", body["id"], body["mn"], body["kind"],
                        body["data_time"], code, field, str(value), reading.get("unit"), reading.get("flag"),
                        None if valid is None else int(valid), reading.get("validity"))

    def validity(self, body):
        for code, worth in body["readings"].items():
            valid = worth.get("valid")
            self.do("UPDATE reading SET valid = ?, validity = ? WHERE mn = ? AND kind = ? AND data_time = ? AND code = ?",
                    None if valid is None else int(valid), worth.get("validity"), body["mn"], body["kind"], body["data_time"], code)

    def event(self, topic, text):
        self.do("DELETE FROM event WHERE topic = ? AND body = ?", topic, text)
        self.do("INSERT INTO event VALUES (?, ?)", topic, text)


# Wrong name or password, not authorised: of MQTT 3.1.1, and as paho 2 names them.
REFUSED_FOR_GOOD = (4, 5, 134, 135)


def refusal(code):
    """Whether a reason, a number of paho 1 or an object of paho 2, says that something is wrong."""
    return code.is_failure if hasattr(code, "is_failure") else code != 0


def words(code):
    return str(code) if hasattr(code, "is_failure") else mqtt.connack_string(code) if code < 6 else mqtt.error_string(code)


class Consumer:
    def __init__(self, options):
        self.options = options
        self.store = Store(options.database, options.postgresql)
        self.stored = 0
        # Clean start off and a fixed id: the broker keeps what comes while this is away.
        form = {"callback_api_version": mqtt.CallbackAPIVersion.VERSION2} if hasattr(mqtt, "CallbackAPIVersion") else {}
        self.client = mqtt.Client(client_id=options.client_id, clean_session=False, protocol=mqtt.MQTTv311, **form)
        # paho acknowledges after on_message has returned: what raised is sent again.
        self.client.on_connect, self.client.on_message = self.connected, self.message
        self.client.on_connect_fail, self.client.on_disconnect = self.not_connected, self.lost
        self.why = None
        if options.username:
            with open(options.password_file, encoding="utf-8") as file:
                self.client.username_pw_set(options.username, file.readline().rstrip("\n"))
        if options.ca:
            self.client.tls_set(options.ca)

    def say(self, why):
        """Says what keeps this from the broker, each reason once."""
        if why != self.why:
            self.why = why
            print(why, file=sys.stderr, flush=True)

    def not_connected(self, _client, _data):
        error = sys.exc_info()[1] or "no answer"
        self.say(f"cannot reach {self.options.host}:{self.options.port}: {error}; trying again 连不上 MQTT 服务,继续重试")

    def lost(self, _client, _data, *more):
        # paho 2 has flags before the reason, and properties behind it.
        reason = more[0] if len(more) == 1 else more[1]
        if refusal(reason):
            self.say(f"the connection to {self.options.host}:{self.options.port} ended: {words(reason)}; trying again 连接中断,继续重试")

    def connected(self, client, _data, _flags, code, _properties=None):
        if refusal(code):
            self.say(f"the broker at {self.options.host}:{self.options.port} refuses: {words(code)} MQTT 服务拒绝连接")
            if getattr(code, "value", code) in REFUSED_FOR_GOOD:
                raise SystemExit(77)
            return
        self.why = None
        prefix = self.options.prefix
        topics = [f"{prefix}/+/data/+", f"{prefix}/+/validity/+", f"{prefix}/+/event/+", f"{prefix}/gateway/+/event/+"]
        if self.options.confirm:
            topics.append(f"{prefix}/gateway/{self.options.confirm.split('/')[0]}/offered")
        client.subscribe([(topic, 1) for topic in topics])
        print("connected", file=sys.stderr, flush=True)

    def message(self, client, _data, message):
        try:
            self.take(client, message)
        except Exception as error:  # Not stored, so not acknowledged: the broker sends it again to the next connection.
            print(f"{message.topic}: {error}", file=sys.stderr, flush=True)
            client.loop_stop()
            raise SystemExit(74)

    def take(self, client, message):
        text = message.payload.decode("utf-8")
        # Numbers stay text: 12.30 is what the station wrote.
        body = json.loads(text, parse_float=str, parse_int=lambda digits: digits)
        schema = body.get("schema", "")
        if schema == "hj212.data/1":
            body["revision"] = int(body["revision"])
            self.store.data(body, text)
        elif schema == "hj212.validity/1":
            self.store.validity(body)
        elif schema == "hj212.offered/1":
            # Everything before it came over this connection, in order, and is committed.
            self.store.base.commit()
            gateway, name = self.options.confirm.split("/")
            client.publish(f"{self.options.prefix}/gateway/{gateway}/delivered/{name}", message.payload, qos=1)
            return
        else:
            self.store.event(message.topic, text)
        self.store.base.commit()
        self.stored += 1

    def run(self):
        # The broker may come later than this.
        self.client.connect_async(self.options.host, self.options.port)
        self.client.loop_forever(retry_first_connection=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--username")
    parser.add_argument("--password-file")
    parser.add_argument("--ca", help="PEM file of the broker's authority: TLS")
    parser.add_argument("--client-id", default="hj212-store")
    parser.add_argument("--prefix", default="hj212/v1")
    parser.add_argument("--database", default="readings.db")
    parser.add_argument("--postgresql", help='in place of SQLite: "dbname=hj212 host=…"; the tables of postgresql.sql')
    parser.add_argument("--confirm", metavar="GATEWAY/NAME", help='[delivery] confirm = "consumer"')
    options = parser.parse_args()
    if bool(options.username) != bool(options.password_file):
        parser.error("--username and --password-file belong together 两者须同时给出")
    consumer = Consumer(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        consumer.run()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
