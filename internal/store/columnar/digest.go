package columnar

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"path"
	"slices"

	"hinomi/internal/store"
)

// Digest returns, by file, a SHA-256 over every value of every column of each
// segment, so that a copy can be compared as another reader sees it. Rows are
// taken in file order, columns in the order of their names; a value is one tag
// byte and its content: N null; I and 8 bytes; F and the 8 bytes of the IEEE
// 754 double; B and one byte; S, the length in 4 bytes, the bytes. Numbers are
// little-endian.
func (t *Table) Digest() (map[string]string, error) {
	snap, err := t.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.release()
	out := map[string]string{}
	for _, s := range snap.segments {
		if err := s.open(); err != nil {
			return nil, err
		}
		defer s.unpin()
		sum := sha256.New()
		for g := range s.groups {
			if err := s.digestGroup(sum, g); err != nil {
				return nil, fmt.Errorf("%s: %w", s.File, err)
			}
		}
		out[path.Clean(s.File)] = hex.EncodeToString(sum.Sum(nil))
	}
	return out, nil
}

func (s *segment) digestGroup(sum hash.Hash, group int) error {
	var names []string
	for _, c := range s.file.Columns {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	vecs := make([]*store.Vec, len(names))
	how := &reading{}
	for i, name := range names {
		v, err := s.column(group, name, 0, s.groups[group].rows, how)
		if err != nil {
			return err
		}
		vecs[i] = v
	}
	var buf []byte
	for row := range s.groups[group].rows {
		buf = buf[:0]
		for _, v := range vecs {
			buf = appendDigest(buf, v.Value(row))
		}
		sum.Write(buf)
	}
	return nil
}

func appendDigest(dst []byte, v store.Value) []byte {
	switch v.Kind {
	case store.KindInt:
		return binary.LittleEndian.AppendUint64(append(dst, 'I'), uint64(v.Int))
	case store.KindFloat:
		return binary.LittleEndian.AppendUint64(append(dst, 'F'), math.Float64bits(v.Flt))
	case store.KindBool:
		return append(dst, 'B', byte(v.Int))
	case store.KindString, store.KindBytes:
		dst = binary.LittleEndian.AppendUint32(append(dst, 'S'), uint32(len(v.Str)))
		return append(dst, v.Str...)
	}
	return append(dst, 'N')
}
