package downsample

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// spool keeps chunks in a file until their order is known. It is scratch:
// nothing of it is synced. A chunk is written as its first and last time
// (8 bytes each), its length (4), its encoding (1) and its data.
type spool struct {
	file *os.File
	w    *bufio.Writer
	end  int64
	head [spoolHead]byte
}

const (
	spoolHead = 8 + 8 + 4 + 1
	// spoolBuffer is written at a time; chunks have some hundred bytes.
	spoolBuffer = 256 << 10
)

// run is where the chunks of one series lie, one behind the other.
type run struct {
	offset int64
	length uint32
}

func newSpool(path string) (*spool, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, spoolBuffer)}, nil
}

// add writes a chunk at the end of r, which must be the last run that was begun.
func (s *spool) add(r *run, m chunks.Meta) error {
	data := m.Chunk.Bytes()
	if int64(len(data))+spoolHead > math.MaxUint32-int64(r.length) {
		return errors.New("the chunks of one series and day take more than 4 GiB")
	}
	binary.LittleEndian.PutUint64(s.head[:], uint64(m.MinTime))
	binary.LittleEndian.PutUint64(s.head[8:], uint64(m.MaxTime))
	binary.LittleEndian.PutUint32(s.head[16:], uint32(len(data)))
	s.head[20] = byte(m.Chunk.Encoding())
	if _, err := s.w.Write(s.head[:]); err != nil {
		return err
	}
	if _, err := s.w.Write(data); err != nil {
		return err
	}
	n := spoolHead + len(data)
	r.length, s.end = r.length+uint32(n), s.end+int64(n)
	return nil
}

// read appends the chunks of r to out. Their data is in memory of its own.
func (s *spool) read(out []chunks.Meta, r run) ([]chunks.Meta, error) {
	b := make([]byte, r.length)
	if _, err := s.file.ReadAt(b, r.offset); err != nil {
		return nil, fmt.Errorf("read chunks back: %w", err)
	}
	for len(b) > 0 {
		end := spoolHead + int(binary.LittleEndian.Uint32(b[16:]))
		c, err := chunkenc.FromData(chunkenc.Encoding(b[20]), b[spoolHead:end:end])
		if err != nil {
			return nil, err
		}
		out = append(out, chunks.Meta{
			Chunk: c, MinTime: int64(binary.LittleEndian.Uint64(b)), MaxTime: int64(binary.LittleEndian.Uint64(b[8:])),
		})
		b = b[end:]
	}
	return out, nil
}

// close removes the file.
func (s *spool) close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }
