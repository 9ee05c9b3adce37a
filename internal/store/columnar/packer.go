package columnar

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// maxUnpackedBytes bounds what one compressed page is unpacked to.
const maxUnpackedBytes = 1 << 30

// packWindowBytes is how far back the compression looks. Frames have about half
// of it, and the encoder keeps twice as much for as long as the table is open.
const packWindowBytes = 1 << 20

// packer compresses and decompresses pages. One segment is written at a time;
// any number of pages is read at once.
type packer struct {
	zstd   *zstd.Encoder
	unzstd *zstd.Decoder
}

func newPacker() (*packer, error) {
	// The fastest level: of telemetry, whose repetitions are near, the others
	// make at most 5 % less at twice the time (docs/performance.md). Literals are coded
	// even where nothing repeats: random ids are hexadecimal digits.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindowBytes), zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpackedBytes))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &packer{enc, dec}, nil
}
