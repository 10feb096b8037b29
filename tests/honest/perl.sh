# Program: Perl with regular expressions, sorting and pipes
# Demand: syscalls
# Expect: ok
# Prints: ^a=2 b=1 c=3 from ls$
# Needs: perl
perl -MData::Dumper -e 'my %n; $n{$_}++ for split //, "abcacc"; open my $p, "-|", "echo ls" or die; my $l = <$p>; chomp $l;
  print join(" ", map { "$_=$n{$_}" } sort keys %n), " from $l\n"'
