//! The adapter to cqrs-es: its `Aggregate` trait over our plain `decide` and `apply`.

use crate::{AGGREGATE_TYPE, At, Inventory, InventoryEvent, Refused};
use cqrs_es::{Aggregate, event_sink::EventSink};

/// What cqrs-es calls services: the rules need none.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventoryServices;

impl Aggregate for Inventory {
    const TYPE: &'static str = AGGREGATE_TYPE;
    type Command = At;
    type Event = InventoryEvent;
    type Error = Refused;
    type Services = InventoryServices;

    async fn handle(
        &mut self,
        ask: At,
        _: &InventoryServices,
        sink: &EventSink<Self>,
    ) -> Result<(), Refused> {
        for event in self.decide(&ask.command, ask.now)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: InventoryEvent) {
        Self::apply(self, &event);
    }
}
