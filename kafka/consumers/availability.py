"""Seats of every inventory, from the topic alone: python availability.py HOST:PORT,..."""
import json, sys
from confluent_kafka import Consumer, KafkaException, TopicPartition

TOPIC = "holdfast.events.v1"
NONE = {"capacity": 0, "overbooking_allowance": 0, "held": 0, "confirmed": 0, "blocked": 0, "sales": "open"}

def apply(seats, kind, event):
    match kind:
        case "InventoryOpened.v1":
            seats["capacity"] = event["capacity"]
            seats["overbooking_allowance"] = event["policy"]["overbooking_allowance"]
        case "SeatsReserved.v1": seats["held" if event.get("expires_at") else "confirmed"] += event["quantity"]
        case "BookingConfirmed.v1":
            seats["held"] -= event["quantity"]
            seats["confirmed"] += event["quantity"]
        case "BookingCancelled.v1": seats[event["previous_status"]] -= event["released"]
        case "BookingExpired.v1": seats["held"] -= event["released"]
        case "CapacityChanged.v1": seats["capacity"] = event["new"]
        case "SalesClosed.v1": seats["sales"] = "closed"
        case "SalesReopened.v1": seats["sales"] = "open"
        case "SeatsBlocked.v1": seats["blocked"] += event["quantity"]
        case "SeatsUnblocked.v1": seats["blocked"] -= event["quantity"]
        case "FlightCancelled.v1" | "ShowCancelled.v1": seats["sales"] = "cancelled"
        case "PriceChanged.v1" | "FlightRescheduled.v1" | "ShowRescheduled.v1": pass  # no seat comes or goes
        case unknown: sys.exit(f"{unknown} may change a count, and is not known here")

consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "example", "enable.auto.commit": False})
topic = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC]
if topic.error: sys.exit(f"{TOPIC}: {topic.error.str()}")
partitions = topic.partitions
ends = {p: consumer.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=30) for p in partitions}
unread = {p for p, (first, end) in ends.items() if first < end}
consumer.assign([TopicPartition(TOPIC, p, ends[p][0]) for p in unread])
last, inventories = dict.fromkeys(partitions, 0), {}
while unread:
    record = consumer.poll(30) or sys.exit("Kafka sends nothing any more")
    if record.error(): raise KafkaException(record.error())
    headers = {name: value.decode() for name, value in record.headers()}
    p, position = record.partition(), int(headers["position"])
    if p in unread and position > last[p] + 1: sys.exit(f"hole: after {p}-{last[p]} comes {p}-{position}")
    if p in unread and position == last[p] + 1:  # a lower position was had: a relay sent it twice
        last[p] = position  # in a database: in the transaction that applies the event
        kind = f"{headers['event_type']}.v{headers['event_version']}"
        apply(inventories.setdefault(record.key().decode(), dict(NONE)), kind, json.loads(record.value()))
    if record.offset() + 1 >= ends[p][1]: unread.discard(p)
for inventory_id, seats in sorted(inventories.items()):
    left = seats["capacity"] + seats["overbooking_allowance"] - seats["held"] - seats["confirmed"] - seats["blocked"]
    print(json.dumps({"inventory_id": inventory_id, **seats, "available": max(left, 0)}, sort_keys=True))
