package loki

import (
	"time"

	"hinomi/internal/store"
)

// stats is Loki's statistics block, which Grafana and logcli show. What it has no
// counterpart for here is 0.
type stats struct {
	Summary  summary  `json:"summary"`
	Querier  querier  `json:"querier"`
	Ingester ingester `json:"ingester"`
	Cache    caches   `json:"cache"`
	Index    index    `json:"index"`
}

type summary struct {
	BytesPerSecond       int64   `json:"bytesProcessedPerSecond"`
	LinesPerSecond       int64   `json:"linesProcessedPerSecond"`
	TotalBytes           int64   `json:"totalBytesProcessed"`
	TotalLines           int64   `json:"totalLinesProcessed"`
	ExecTime             float64 `json:"execTime"`
	QueueTime            float64 `json:"queueTime"`
	Subqueries           int     `json:"subqueries"`
	TotalEntriesReturned int     `json:"totalEntriesReturned"`
	Splits               int     `json:"splits"`
	Shards               int     `json:"shards"`
	PostFilterLines      int64   `json:"totalPostFilterLines"`
	MetadataBytes        int64   `json:"totalStructuredMetadataBytesProcessed"`
}

type querier struct {
	Store    chunkStore `json:"store"`
	ExecTime float64    `json:"querierExecTime"`
}

// ingester is what Loki reads from memory before it is in chunks; here both are one
// scan, which is the querier's.
type ingester struct {
	Reached       int        `json:"totalReached"`
	ChunksMatched int        `json:"totalChunksMatched"`
	Batches       int        `json:"totalBatches"`
	LinesSent     int        `json:"totalLinesSent"`
	Store         chunkStore `json:"store"`
	RecvWaitTime  float64    `json:"recvWaitTime"`
}

type chunkStore struct {
	ChunksRef          int     `json:"totalChunksRef"`
	ChunksDownloaded   int     `json:"totalChunksDownloaded"`
	DownloadTime       float64 `json:"chunksDownloadTime"`
	ReferencedMetadata bool    `json:"queryReferencedStructuredMetadata"`
	Chunk              chunk   `json:"chunk"`
	RefsFetchTime      float64 `json:"chunkRefsFetchTime"`
	Congestion         float64 `json:"congestionControlLatency"`
	FilteredLines      int64   `json:"pipelineWrapperFilteredLines"`
}

type chunk struct {
	HeadBytes                 int64 `json:"headChunkBytes"`
	HeadLines                 int64 `json:"headChunkLines"`
	DecompressedBytes         int64 `json:"decompressedBytes"`
	DecompressedLines         int64 `json:"decompressedLines"`
	CompressedBytes           int64 `json:"compressedBytes"`
	Duplicates                int64 `json:"totalDuplicates"`
	PostFilterLines           int64 `json:"postFilterLines"`
	HeadMetadataBytes         int64 `json:"headChunkStructuredMetadataBytes"`
	DecompressedMetadataBytes int64 `json:"decompressedStructuredMetadataBytes"`
}

// caches are Loki's caches of answers; there are none here.
type caches struct {
	Chunk               cache `json:"chunk"`
	Index               cache `json:"index"`
	Result              cache `json:"result"`
	StatsResult         cache `json:"statsResult"`
	VolumeResult        cache `json:"volumeResult"`
	SeriesResult        cache `json:"seriesResult"`
	LabelResult         cache `json:"labelResult"`
	InstantMetricResult cache `json:"instantMetricResult"`
}

type cache struct {
	Found        int   `json:"entriesFound"`
	Requested    int   `json:"entriesRequested"`
	Stored       int   `json:"entriesStored"`
	Received     int64 `json:"bytesReceived"`
	Sent         int64 `json:"bytesSent"`
	Requests     int   `json:"requests"`
	DownloadTime int64 `json:"downloadTime"`
	LengthServed int64 `json:"queryLengthServed"`
}

type index struct {
	TotalChunks      int   `json:"totalChunks"`
	PostFilterChunks int   `json:"postFilterChunks"`
	ShardsDuration   int64 `json:"shardsDuration"`
}

func makeStats(s store.ScanStats, entries int, took time.Duration) stats {
	secs := took.Seconds()
	out := stats{Summary: summary{
		TotalBytes: s.BytesScanned, TotalLines: s.RowsScanned, ExecTime: secs, Subqueries: 1,
		TotalEntriesReturned: entries, PostFilterLines: s.RowsMatched,
	}}
	if secs > 0 {
		out.Summary.BytesPerSecond = int64(float64(s.BytesScanned) / secs)
		out.Summary.LinesPerSecond = int64(float64(s.RowsScanned) / secs)
	}
	out.Querier = querier{ExecTime: secs, Store: chunkStore{
		ChunksRef: s.UnitsScanned + s.UnitsPruned, ChunksDownloaded: s.UnitsScanned,
		Chunk: chunk{DecompressedBytes: s.BytesScanned, DecompressedLines: s.RowsScanned, PostFilterLines: s.RowsMatched},
	}}
	out.Index = index{TotalChunks: s.UnitsScanned + s.UnitsPruned, PostFilterChunks: s.UnitsScanned}
	return out
}
