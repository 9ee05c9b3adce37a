// Sends a known number of spans, log records and metric points with the
// OpenTelemetry SDK for Node: traces as protobuf, logs as JSON, both over HTTP;
// metrics over gRPC. Arguments: OTLP/HTTP base URL, OTLP/gRPC URL, count.
import { metrics, SpanKind, SpanStatusCode, trace, context } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [http, grpc, countText] = process.argv.slice(2);
const count = Number(countText);
const resource = resourceFromAttributes({ "service.name": "node-client", "service.namespace": "clients" });

const traces = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${http}/v1/traces` }))] });
traces.register();
const logs = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${http}/v1/logs` }) })] });
const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: grpc }), exportIntervalMillis: 60_000 });
const meters = new MeterProvider({ resource, readers: [reader] });

const tracer = trace.getTracer("client", "1.0");
const logger = logs.getLogger("client", "1.0");
const meter = meters.getMeter("client", "1.0");
const counter = meter.createCounter("client.requests", { unit: "{request}" });
const histogram = meter.createHistogram("client.duration", { unit: "s" });

const ids = [];
for (let i = 0; i < count; i++) {
  const root = tracer.startSpan("request", { kind: SpanKind.SERVER, attributes: { "request.number": i, "request.even": i % 2 === 0 } });
  const ctx = trace.setSpan(context.active(), root);
  const child = tracer.startSpan("work", { attributes: { share: i / 4, tags: ["a", "b"] } }, ctx);
  if (i % 5 === 0) {
    child.recordException(new Error("broken"));
    child.setStatus({ code: SpanStatusCode.ERROR, message: "broken" });
  }
  logger.emit({ severityNumber: i % 5 === 0 ? SeverityNumber.ERROR : SeverityNumber.INFO, body: `request ${i} done`, attributes: { number: i }, context: ctx });
  child.end();
  root.end();
  counter.add(1, { parity: i % 2 === 0 ? "even" : "odd" });
  histogram.record(i / 100);
  ids.push(root.spanContext().traceId);
}
await traces.forceFlush();
await logs.forceFlush();
await meters.forceFlush();
await Promise.all([traces.shutdown(), logs.shutdown(), meters.shutdown()]);
console.log(JSON.stringify({ traces: ids }));
