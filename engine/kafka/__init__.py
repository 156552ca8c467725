"""The edge to Kafka: consumer, producer and topics, by Faust and aiokafka."""
