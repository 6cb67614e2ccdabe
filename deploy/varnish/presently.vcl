# Varnish 7 in front of several instances of Presently, where there is one already: nothing of Presently may be cached, so it gains nothing by it.
# Streams are piped, which means that Varnish copies bytes both ways and looks at none. What matters for streams is marked with (*).
#
# It tries no other instance when one dies: for up to two seconds, until the probe has noticed, clients meet a 503 of Varnish or a connection that is closed, and have to try again.
# Clients that keep to the documentation do. nginx, HAProxy and Caddy do better.
#
# varnishd needs larger limits than its own for a token of 8 KiB and the addresses of a hundred users:
#
#   varnishd -a :8080 -f /etc/varnish/presently.vcl -p http_req_size=64k -p http_req_hdr_len=40k -p timeout_idle=75 -p workspace_client=192k -p workspace_backend=192k
#
# It does not speak TLS: put something before it that does.
vcl 4.1;

import directors;

probe ready {
    .url = "/readyz";
    .interval = 1s;
    .timeout = 2s;
    .window = 2;
    .threshold = 1;
    .initial = 1;
}

backend presently_1 { .host = "presently-1"; .port = "8080"; .connect_timeout = 1s; .first_byte_timeout = 75s; .between_bytes_timeout = 75s; .probe = ready; }
backend presently_2 { .host = "presently-2"; .port = "8080"; .connect_timeout = 1s; .first_byte_timeout = 75s; .between_bytes_timeout = 75s; .probe = ready; }

sub vcl_init {
    new presently = directors.round_robin();
    presently.add_backend(presently_1);
    presently.add_backend(presently_2);
}

sub vcl_recv {
    set req.backend_hint = presently.backend();
    if (req.url ~ "^/v1/stream") {
        return (pipe);  # (*)
    }
    return (pass);
}

sub vcl_pipe {
    set bereq.http.Connection = "close";  # or what follows on this connection would be piped, too
}
