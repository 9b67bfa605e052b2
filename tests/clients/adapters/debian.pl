# debian.pl PORT [USER PASSWORD]: for each call that stands on a line of standard input, as JSON, its answer on a line
# of standard output. RPC::XML::Client does the talking.
use strict;
use warnings;
use B ();
use JSON::PP;
use RPC::XML;
use RPC::XML::Client;

my ($port, $user, $password) = @ARGV;
$RPC::XML::ENCODING = 'utf-8';
my $client = RPC::XML::Client->new("http://127.0.0.1:$port/RPC2");
$client->credentials('default', $user, $password) if defined $user;
my $json = JSON::PP->new->utf8->allow_nonref;
$| = 1;
while (my $line = <STDIN>) {
    my $asked = $json->decode($line);
    my $answer = $client->send_request($asked->{method}, map { made($_) } @{ $asked->{args} });
    my $said =
          !ref $answer      ? { error => $answer }
        : $answer->is_fault ? { fault => [ $answer->code + 0, $answer->string ] }
        :                     { value => shown($answer) };
    print $json->encode($said), "\n";
}

# A value of the type that it has in JSON; left to itself the library takes text of digits for a number.
sub made {
    my ($value) = @_;
    return RPC::XML::boolean->new($value ? 1 : 0) if JSON::PP::is_bool($value);
    return RPC::XML::array->new(map { made($_) } @$value) if ref $value eq 'ARRAY';
    return RPC::XML::struct->new(map { $_ => made($value->{$_}) } keys %$value) if ref $value eq 'HASH';
    my $number = B::svref_2object(\$value)->FLAGS & B::SVf_IOK;
    return $number ? RPC::XML::int->new($value) : RPC::XML::string->new($value);
}

sub shown {
    my ($value) = @_;
    my $type = $value->type;
    return [ map { shown($_) } @$value ] if $type eq 'array';
    return { map { $_ => shown($value->{$_}) } keys %$value } if $type eq 'struct';
    return $value->value ? JSON::PP::true : JSON::PP::false if $type eq 'boolean';
    return $value->value + 0 if $type eq 'int' || $type eq 'i4';
    return '' . $value->value;
}
