"""Seats of every inventory, from the topic alone: python availability.py HOST:PORT,..."""
import json, sys
from confluent_kafka import Consumer, KafkaException, TopicPartition

TOPIC = "holdfast.events.v1"
NONE = {"capacity": 0, "overbooking_allowance": 0, "held": 0, "confirmed": 0, "blocked": 0, "sales": "open"}

def apply(seats, event):
    match event["type"]:
        case "InventoryOpened":
            seats["capacity"] = event["capacity"]
            seats["overbooking_allowance"] = event["policy"]["overbooking_allowance"]
        case "SeatsReserved": seats["held" if event.get("expires_at") else "confirmed"] += event["quantity"]
        case "BookingConfirmed":
            seats["held"] -= event["quantity"]
            seats["confirmed"] += event["quantity"]
        case "BookingCancelled": seats[event["previous_status"]] -= event["released"]
        case "BookingExpired": seats["held"] -= event["released"]
        case "CapacityChanged": seats["capacity"] = event["new"]
        case "SalesClosed": seats["sales"] = "closed"
        case "SalesReopened": seats["sales"] = "open"
        case "SeatsBlocked": seats["blocked"] += event["quantity"]
        case "SeatsUnblocked": seats["blocked"] -= event["quantity"]
        case unknown: sys.exit(f"{unknown} may change a count, and is not known here")

consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "example", "enable.auto.commit": False})
partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
ends = {p: consumer.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=30) for p in partitions}
unread = {p for p, (first, end) in ends.items() if first < end}
consumer.assign([TopicPartition(TOPIC, p, ends[p][0]) for p in unread])
last, inventories = dict.fromkeys(partitions, 0), {}
while unread:
    record = consumer.poll(30) or sys.exit("Kafka sends nothing any more")
    if record.error(): raise KafkaException(record.error())
    p, position = record.partition(), int(dict(record.headers())["position"])
    if p in unread and position > last[p] + 1: sys.exit(f"hole: after {p}-{last[p]} comes {p}-{position}")
    if p in unread and position == last[p] + 1:  # a lower position was had: a relay sent it twice
        last[p] = position  # in a database: in the transaction that applies the event
        apply(inventories.setdefault(record.key().decode(), dict(NONE)), json.loads(record.value()))
    if record.offset() + 1 >= ends[p][1]: unread.discard(p)
for inventory_id, seats in sorted(inventories.items()):
    left = seats["capacity"] + seats["overbooking_allowance"] - seats["held"] - seats["confirmed"] - seats["blocked"]
    print(json.dumps({"inventory_id": inventory_id, **seats, "available": max(left, 0)}, sort_keys=True))
