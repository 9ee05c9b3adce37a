package columnar

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walDamage tells of bytes in a WAL file that are no valid frame although valid
// frames follow: rows that were acknowledged and cannot be read any more.
type walDamage struct {
	offset, length int64
}

// readWAL calls fn with the payload of each valid frame. A tail that is no
// frame was never acknowledged (the process died while it wrote) and is
// ignored; damage before a later valid frame is reported. Payloads are owned by
// fn.
func readWAL(fs vfs.FS, path string, fn func(payload []byte) error) ([]walDamage, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) < len(walMagic) {
		return nil, nil // Created, but not a frame was acknowledged.
	}
	pos := len(walMagic)
	var damage []walDamage
	if string(data[:pos]) != walMagic {
		damage = append(damage, walDamage{0, int64(pos)})
	}
	for pos < len(data) {
		if payload, ok := frameAt(data[pos:]); ok {
			if err := fn(payload); err != nil {
				damage = append(damage, walDamage{int64(pos), int64(frameHead + len(payload))})
			}
			pos += frameHead + len(payload)
			continue
		}
		next := resync(data, pos+1)
		if next < 0 {
			break
		}
		damage = append(damage, walDamage{int64(pos), int64(next - pos)})
		pos = next
	}
	return damage, nil
}

// resync finds the next valid frame at or after pos, -1 when there is none.
func resync(data []byte, pos int) int {
	var magic [4]byte
	binary.LittleEndian.PutUint32(magic[:], frameMagic)
	for {
		i := bytes.Index(data[pos:], magic[:])
		if i < 0 {
			return -1
		}
		pos += i
		if _, ok := frameAt(data[pos:]); ok {
			return pos
		}
		pos++
	}
}

func frameAt(data []byte) ([]byte, bool) {
	if len(data) < frameHead || binary.LittleEndian.Uint32(data) != frameMagic {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint32(data[4:]))
	if n > maxFrameBytes || n > len(data)-frameHead {
		return nil, false
	}
	payload := data[frameHead : frameHead+n : frameHead+n]
	return payload, crc32.Checksum(payload, castagnoli) == binary.LittleEndian.Uint32(data[8:])
}
