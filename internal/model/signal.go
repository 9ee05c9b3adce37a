package model

// Signal is a kind of telemetry, as it is named in ledgers and labels.
type Signal string

// The signals Hinomi takes in.
const (
	Logs    Signal = "logs"
	Traces  Signal = "traces"
	Metrics Signal = "metrics"
)

// ResourceProduct is the resource attribute that names a record's product.
const ResourceProduct = "product"
