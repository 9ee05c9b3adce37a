package company

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// network gives every service a transport of its own, so that a crashed service is really gone for its callers:
// open connections break and new ones are refused by the kernel, while the others share the same listener.
type network struct {
	listener string
	refused  *refusedPort
	routes   map[string]*route
}

// route is the way to one service.
type route struct {
	transport *http.Transport

	mu      sync.Mutex
	crashed bool
	conns   map[net.Conn]struct{}
}

func newNetwork(listener string, services []string) (*network, error) {
	refused, err := reserveRefusedPort()
	if err != nil {
		return nil, err
	}
	n := &network{listener: listener, refused: refused, routes: map[string]*route{}}
	for _, name := range services {
		rt := &route{conns: map[net.Conn]struct{}{}}
		rt.transport = &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx, rt) },
			MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		}
		n.routes[name] = rt
	}
	return n, nil
}

func (n *network) dial(ctx context.Context, rt *route) (net.Conn, error) {
	rt.mu.Lock()
	crashed := rt.crashed
	rt.mu.Unlock()
	addr := n.listener
	if crashed {
		addr = n.refused.addr
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, rt: rt}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.crashed {
		// The service crashed between the decision and the connection.
		conn.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	rt.conns[tracked] = struct{}{}
	return tracked, nil
}

// setCrashed cuts or restores the way to a service.
func (rt *route) setCrashed(crashed bool) {
	rt.mu.Lock()
	was := rt.crashed
	rt.crashed = crashed
	var cut []net.Conn
	if crashed && !was {
		for c := range rt.conns {
			cut = append(cut, c)
		}
	}
	rt.mu.Unlock()
	// Close removes a connection from the set, so it has to happen without the lock.
	for _, c := range cut {
		c.Close()
	}
}

func (n *network) closeIdle() {
	for _, rt := range n.routes {
		rt.transport.CloseIdleConnections()
	}
}

func (n *network) close() {
	n.closeIdle()
	n.refused.close()
}

// trackedConn leaves its route's set when it is closed.
type trackedConn struct {
	net.Conn
	rt *route
}

func (c *trackedConn) Close() error {
	c.rt.mu.Lock()
	delete(c.rt.conns, c)
	c.rt.mu.Unlock()
	return c.Conn.Close()
}

// refusedPort is a loopback port that is bound but never listens: nobody else can take it, and the kernel refuses
// every connection to it. A port that was merely closed could be another process' a moment later.
type refusedPort struct {
	fd   int
	addr string
	once sync.Once
}

func reserveRefusedPort() (*refusedPort, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port for crashed services: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("reserve a port for crashed services: %w", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("reserve a port for crashed services: %w", err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	return &refusedPort{fd: fd, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, nil
}

func (p *refusedPort) close() { p.once.Do(func() { syscall.Close(p.fd) }) }
