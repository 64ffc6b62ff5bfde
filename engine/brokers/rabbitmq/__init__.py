"""RabbitMQ as the broker: quorum queues, confirmed publishing, one active consumer to a queue.

    settings ─ where the broker is, and how long to wait for it
    link ─ one connection, kept up for ever (the broker has two: one to publish, one for everything else)
    topology ─ the exchange, the queues, and their declaration
    publisher ─ tickets in, confirms out
    consumer ─ leases of one queue, over as many channels as it takes; session: one such channel
    words ─ what the client library raises, as error words
    broker ─ the contract, put together

aio-pika keeps connections, channels and declarations; the three verbs that run for each ticket (publish, deliver,
acknowledge) use the aiormq channel under it, which costs a third less. Nothing outside this package imports either.
"""

from engine.brokers.rabbitmq.broker import RabbitBroker
from engine.brokers.rabbitmq.settings import RabbitSettings

__all__ = ["RabbitBroker", "RabbitSettings"]
