// A bare reverse proxy of Go's standard library: main [-buffer-pool] <port to listen on> <upstream>.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// What ReverseProxy copies a body with; without a pool it makes one for each response.
const bufferBytes = 32 * 1024

// A pool of arrays: a slice in an interface would cost an allocation each time it is put back.
type bufferPool struct{ pool sync.Pool }

func newBufferPool() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([bufferBytes]byte) }}}
}

func (p *bufferPool) Get() []byte       { return p.pool.Get().(*[bufferBytes]byte)[:] }
func (p *bufferPool) Put(buffer []byte) { p.pool.Put((*[bufferBytes]byte)(buffer)) }

func main() {
	hasPool := flag.Bool("buffer-pool", false, "reuse the buffers that bodies are copied with")
	flag.Parse()
	upstream, err := url.Parse(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	// The default keeps 2 idle connections, and would open a new one for almost every request.
	proxy.Transport = &http.Transport{
		MaxIdleConns:        2048,
		MaxIdleConnsPerHost: 2048,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
	if *hasPool {
		proxy.BufferPool = newBufferPool()
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+flag.Arg(0), proxy))
}
