package columnar

import (
	"context"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// copyBytesPerSecond bounds the copies of segments, so that they leave disk and
// network to ingest and queries.
const copyBytesPerSecond = 64 << 20

// segmentFile reads the whole file of a segment from its beginning, wherever it is.
func (t *Table) segmentFile(ctx context.Context, m *segmentMeta) (io.ReadCloser, error) {
	if m.Place != "" {
		return t.tiers.byName[m.Place].storage.get(ctx, m.File)
	}
	return t.fs.Open(t.fs.PathJoin(t.opts.Dir, m.File), vfs.SequentialReadsOption)
}

// copySegment copies the file of a segment, and reads the copy back. It returns
// the CRC-32C of the file.
func (t *Table) copySegment(ctx context.Context, s *segment, to storage, name string) (uint32, error) {
	from, err := t.segmentFile(ctx, &s.segmentMeta)
	if err != nil {
		return 0, err
	}
	sum := &checked{r: from, sum: crc32.New(castagnoli)}
	err = to.put(ctx, name, newPaced(ctx, sum), s.Bytes)
	_ = from.Close()
	if err != nil {
		return 0, err
	}
	if sum.n != s.Bytes {
		return 0, fmt.Errorf("%w: file has %d bytes, should have %d", errCorrupt, sum.n, s.Bytes)
	}
	copied, err := to.get(ctx, name)
	if err != nil {
		return 0, err
	}
	back := &checked{r: copied, sum: crc32.New(castagnoli)}
	_, err = io.Copy(io.Discard, newPaced(ctx, back))
	_ = copied.Close()
	switch {
	case ctx.Err() != nil:
		return 0, ended(ctx)
	case err != nil:
		return 0, fmt.Errorf("%w: read the copy back: %v", errUnreachable, err)
	case back.n != sum.n || back.sum.Sum32() != sum.sum.Sum32():
		return 0, fmt.Errorf("the copy of %s differs: %d bytes with CRC %08x, want %d with %08x", s.File, back.n, back.sum.Sum32(), sum.n, sum.sum.Sum32())
	}
	return sum.sum.Sum32(), nil
}

// checked counts and sums what is read.
type checked struct {
	r   io.Reader
	n   int64
	sum hash.Hash32
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.sum.Write(p[:n])
	return n, err
}

// paced reads at most copyBytesPerSecond.
type paced struct {
	ctx   context.Context
	r     io.Reader
	start time.Time
	n     int64
}

func newPaced(ctx context.Context, r io.Reader) *paced {
	return &paced{ctx: ctx, r: r, start: time.Now()}
}

// pacedBytes is how much is read between two looks at the clock at most.
const pacedBytes = 1 << 20

func (p *paced) Read(b []byte) (int, error) {
	if ahead := time.Duration(p.n)*time.Second/copyBytesPerSecond - time.Since(p.start); ahead > 0 {
		select {
		case <-p.ctx.Done():
			return 0, ended(p.ctx)
		case <-time.After(ahead):
		}
	}
	n, err := p.r.Read(b[:min(len(b), pacedBytes)])
	p.n += int64(n)
	return n, err
}
